// Sockets that outlive their access token: for `on: { connected }` of graphql-ws. Not here: how a token is refreshed.

/** Shows an open socket the next token before the last one ends: its subscriptions go on. `authorization` answers with the header
 *  and refreshes a token that has less than 30 s left; `expiresAt` tells when the present one ends, if there is one. */
export const keepRenewed = (authorization, expiresAt) => (socket) => {
  const renewLater = () => {
    const end = expiresAt();
    if (end) setTimeout(renew, Math.max(Date.parse(end) - Date.now() - 25_000, 1_000));
  };
  const renew = async () => {
    if (socket.readyState !== WebSocket.OPEN) return;
    const payload = await authorization().catch(() => undefined); // busy; asked again in a second
    if (payload) socket.send(JSON.stringify({ type: 'ping', payload }));
    renewLater();
  };
  renewLater();
};
