/** Shows an open socket the next token before the last one ends; for `on: { connected }` of graphql-ws. */
export declare const keepRenewed: (
  authorization: () => Promise<Record<string, string> | undefined>,
  expiresAt: () => string | undefined,
) => (socket: unknown) => void;
