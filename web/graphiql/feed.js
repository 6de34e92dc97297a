// Live notices of the acting account, on a socket of their own: GraphiQL ends the subscription of a tab when another tab is opened.
// The feed begins with the newest notices and continues with every later one; after a reconnect it resumes from the last one received.
// Not here: the panel (acting-as.jsx), and the acting account (session.js).
import { createClient } from 'graphql-ws';
import { WS_URL } from './api.js';
import { accessToken, Refused, whenPersonChanges } from './session.js';
import { shared } from './shared.js';

const NOTICE = 'number kind text occurredAt changes { field old new }';
export const HISTORY = `query FeedHistory { notices(first: 20) { streamCursor nodes { ${NOTICE} } } }`;
export const LIVE = `subscription Feed($after: String) { noticeReceived(after: $after) { cursor resync notice { ${NOTICE} } } }`;

/** Number of notices shown. */
const SHOWN = 50;

const OFF = { state: 'off', notices: [] };

/** State of the feed: `off`, `connecting`, `live`, `reconnecting` or `refused`, and the notices, newest first. */
export const feed = shared(OFF);

const change = (part) => feed.set({ ...feed.get(), ...part });

/** Follows the acting account, also when it changes. */
export function keepListening() {
  let stop = () => {};
  whenPersonChanges((person) => {
    stop();
    feed.set(OFF);
    stop = person ? listen() : () => {};
  });
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Listens until the returned function is called. */
function listen() {
  let stopped = false;
  let used;
  let refused;
  let silence;
  const say = (part) => stopped || change(part);
  const client = createClient({
    url: WS_URL,
    connectionParams: async () => {
      used = await accessToken(refused);
      return used ? { Authorization: `Bearer ${used}` } : {};
    },
    lazyCloseTimeout: 1_000, // the list and the subscription share a socket
    keepAlive: 10_000,
    retryAttempts: Infinity,
    retryWait: (retries) => wait(Math.min(250 * 2 ** retries, 5_000) * (0.75 + Math.random() / 2)),
    shouldRetry: (error) => !(error instanceof Refused),
    on: {
      connecting: (again) => say({ state: again ? 'reconnecting' : 'connecting' }),
      ping: (received) => {
        if (!received) silence = setTimeout(() => client.terminate(), 5_000); // the machine was suspended, or the network is down
      },
      pong: (received) => {
        if (received) clearTimeout(silence);
      },
      closed: ({ code }) => {
        clearTimeout(silence);
        if (code === 4403) refused = used; // the session of the token has ended, so the next socket opens with a new token
        say({ state: 'reconnecting' });
      },
    },
  });

  (async () => {
    while (!stopped) {
      try {
        const { cursor, notices } = await history(client);
        say({ notices });
        await live(client, cursor, say);
      } catch (error) {
        if (error instanceof Refused) return say({ state: 'refused' });
      }
      await wait(1_000); // rights changed, or the cursor is of another history: start again
    }
  })();

  return () => {
    stopped = true;
    client.dispose();
  };
}

async function history(client) {
  const { value } = await client.iterate({ query: HISTORY }).next();
  const notices = value?.data?.notices;
  if (!notices) throw new Error(value?.errors?.[0]?.message ?? 'no notices');
  return { cursor: notices.streamCursor, notices: notices.nodes };
}

/** Shows each notice until the stream ends or asks for a resync. */
function live(client, cursor, say) {
  // graphql-ws reads the variables each time it subscribes, so a reconnect resumes after the newest notice.
  const variables = {
    get after() {
      return cursor;
    },
  };
  return new Promise((resolve, reject) => {
    const unsubscribe = client.subscribe(
      { query: LIVE, variables },
      {
        next({ data, errors }) {
          if (errors || !data?.noticeReceived) return resolve();
          const frame = data.noticeReceived;
          if (frame.resync) {
            unsubscribe();
            return resolve();
          }
          cursor = frame.cursor;
          const { notices } = feed.get();
          say({ state: 'live', ...(frame.notice && { notices: [frame.notice, ...notices].slice(0, SHOWN) }) });
        },
        error: reject,
        complete: resolve,
      },
    );
  });
}
