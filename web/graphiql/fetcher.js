// Transport of the operations in the tabs: HTTP for queries and mutations, one lazy WebSocket (`graphql-transport-ws`) for
// subscriptions. A tab with an `Authorization` header of its own is sent with it, every other with the token of the acting account.
// Not here: the acting account (session.js), and the live feed of the panel (feed.js).
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { ask, HTTP_URL, WS_URL } from './api.js';
import { accessToken, whenPersonChanges } from './session.js';

const isAuthorization = ([name]) => name.toLowerCase() === 'authorization';

/** Returns the `Authorization` of these headers, in any case of its name; nothing while its token is still empty. */
function ownAuthorization(headers) {
  const [, value = ''] = Object.entries(headers ?? {}).find(isAuthorization) ?? [];
  const trimmed = String(value).trim();
  return trimmed && !/^bearer$/i.test(trimmed) ? trimmed : null;
}

const others = (headers) => Object.fromEntries(Object.entries(headers ?? {}).filter((header) => !isAuthorization(header)));

/** Returns the headers to send for a tab: its own `Authorization`, else that of the acting account. */
export async function authorized(headers) {
  const own = ownAuthorization(headers);
  const token = own ? null : await accessToken();
  return { ...others(headers), ...((own ?? token) && { Authorization: own ?? `Bearer ${token}` }) };
}

/** Calls `fetch`. If the session of the token has ended, nothing was executed: it signs in again and repeats the request. */
async function fetchAsWhoeverActs(url, init) {
  const reply = await fetch(url, { ...init, headers: await authorized(init.headers) });
  if (reply.status !== 401 || ownAuthorization(init.headers)) return reply;
  const token = await accessToken(await accessToken());
  return token ? fetch(url, { ...init, headers: { ...others(init.headers), Authorization: `Bearer ${token}` } }) : reply;
}

// The schema has to stay readable when a typed token has expired: it is then requested again without the token.
async function schemaFetcher({ query, variables }, { headers }) {
  const reply = await ask(query, variables, headers);
  return reply.data || !ownAuthorization(headers) ? reply : ask(query, variables, others(headers));
}

// The socket opens when a subscription starts and closes with the last one, so its `connection_init` always carries the token of
// the tab that subscribed. When the acting account changes, the socket closes and the next subscription opens another one.
let headersNow;
let socket = open();
whenPersonChanges(() => {
  socket.dispose();
  socket = open();
});

function open() {
  let used;
  let refused;
  return createClient({
    url: WS_URL,
    connectionParams: async () => {
      const own = ownAuthorization(headersNow);
      used = own ? null : await accessToken(refused);
      return own || used ? { Authorization: own ?? `Bearer ${used}` } : {};
    },
    on: {
      closed: ({ code }) => {
        if (code === 4403) refused = used; // the session of the token has ended: a retry opens with a new token
      },
    },
  });
}

// Plain JSON replies only: the server offers neither @defer nor @stream.
const send = createGraphiQLFetcher({
  url: HTTP_URL,
  fetch: fetchAsWhoeverActs,
  wsClient: { subscribe: (...parameters) => socket.subscribe(...parameters) },
  schemaFetcher,
  enableIncrementalDelivery: false,
});

/** Corrects the operation name: shortly after a tab was opened, GraphiQL still sends the name from the previous tab. */
function corrected(params, options) {
  try {
    const documentAST = parse(params.query);
    const names = documentAST.definitions.filter(({ operation }) => operation).map(({ name }) => name?.value);
    const operationName = names.includes(params.operationName) ? params.operationName : names[0];
    return [{ ...params, operationName }, { ...options, documentAST }];
  } catch {
    return [params, options]; // the server's answer explains the error
  }
}

/** A GraphiQL fetcher that shows each single reply (not the items of a subscription) with its request to `onReply`. */
export const fetcherWith = (onReply) => async (params, options) => {
  headersNow = options?.headers;
  const request = corrected(params, options);
  const result = await send(...request);
  if (!(Symbol.asyncIterator in Object(result))) onReply(request[0], result);
  return result;
};
