/** Sends the next token on an open socket before the present one expires; for `on: { connected }` of graphql-ws. */
export declare const keepRenewed: (
  authorization: () => Promise<Record<string, string> | undefined>,
  expiresAt: () => string | undefined,
) => (socket: unknown) => void;
