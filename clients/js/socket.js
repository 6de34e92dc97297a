// Renewal of sockets that outlive their access token, for `on: { connected }` of graphql-ws. Not here: refreshing a token.

/** Sends the next token on an open socket before the present one expires, so that its subscriptions continue. `authorization` resolves to
 *  the header and refreshes a token that has less than 30 s left; `expiresAt` returns the expiry of the present token, if there is one. */
export const keepRenewed = (authorization, expiresAt) => (socket) => {
  const renewLater = () => {
    const end = expiresAt();
    if (end) setTimeout(renew, Math.max(Date.parse(end) - Date.now() - 25_000, 1_000));
  };
  const renew = async () => {
    if (socket.readyState !== WebSocket.OPEN) return;
    const payload = await authorization().catch(() => undefined); // the service is busy; the next try is in a second
    if (payload) socket.send(JSON.stringify({ type: 'ping', payload }));
    renewLater();
  };
  renewLater();
};
