// A door between a client and Boxoffice that the test shuts as a pulled cable would: every connection is cut without a word.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Lets connections through to `origin` until it is shut. */
export async function openGate(origin) {
  const { hostname, port } = new URL(origin);
  const sockets = new Set();
  let isOpen = true;
  const server = createServer((client) => {
    if (!isOpen) return client.destroy();
    const upstream = connect(port, hostname);
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      sockets.add(one);
      one.on('error', () => {}); // closed follows
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const shut = () => {
    isOpen = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    shut,
    open: () => (isOpen = true),
    remove: () => {
      shut();
      server.close();
    },
  };
}
