// A door between a client and Boxoffice that the test shuts as a pulled cable would: every connection is cut without a word.
// Not here: what must be true afterwards (feed.mjs, ../browser).
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { promise } from './harness.mjs';

/** Lets connections through to `origin` until it is shut. */
export async function openGate(origin) {
  const { hostname, port } = new URL(origin);
  const sockets = new Set();
  let way = promise();
  way.keep();
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
  const address = `127.0.0.1:${server.address().port}`;
  const shut = () => {
    if (isOpen) way = promise();
    isOpen = false;
    for (const socket of sockets) socket.destroy();
  };
  const open = () => {
    isOpen = true;
    way.keep();
  };
  return {
    origin: `http://${address}`,
    http: `http://${address}/graphql`,
    sse: `http://${address}/graphql/stream`,
    ws: `ws://${address}/graphql/ws`,
    shut,
    open,
    /** Kept while it is open: when a client may try again. */
    opened: () => way.kept,
    remove: () => {
      shut();
      server.close();
    },
  };
}
