// How this page talks to the server: HTTP for queries and mutations, one lazy WebSocket (`graphql-transport-ws`) for subscriptions.
// The token is whatever the headers editor of the open tab says. Not here: the page itself (main.jsx), remembering tokens (token.jsx).
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws';

const HTTP_URL = '/graphql';
const WS_URL = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/graphql/ws`;

const isAuthorization = ([name]) => name.toLowerCase() === 'authorization';

/** The `Authorization` of these headers, however its name was typed; nothing while its token is still empty. */
function authorization(headers) {
  const [, value = ''] = Object.entries(headers ?? {}).find(isAuthorization) ?? [];
  const trimmed = String(value).trim();
  return trimmed && !/^bearer$/i.test(trimmed) ? { Authorization: trimmed } : {};
}

function others(headers) {
  return Object.fromEntries(Object.entries(headers ?? {}).filter((header) => !isAuthorization(header)));
}

// The socket opens when a subscription starts and closes with the last one, so its `connection_init` always carries the token of
// the tab that subscribed.
let headersNow;
const wsClient = createClient({ url: WS_URL, lazy: true, connectionParams: () => authorization(headersNow) });

// The schema has to stay readable when a stored token has expired: then ask again without it.
async function schemaFetcher(params, { headers }) {
  const ask = async (headers) => {
    const response = await fetch(HTTP_URL, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
      body: JSON.stringify(params),
    });
    return response.json();
  };
  const reply = await ask(headers);
  return reply.data || !headers.Authorization ? reply : ask(others(headers));
}

// Plain JSON replies only: the server offers neither @defer nor @stream.
const send = createGraphiQLFetcher({ url: HTTP_URL, wsClient, schemaFetcher, enableIncrementalDelivery: false });

/** A GraphiQL fetcher that shows each single reply (not the items of a subscription) to `onReply`. */
export const fetcherWith = (onReply) => async (params, options) => {
  headersNow = options?.headers;
  const result = await send(params, { ...options, headers: { ...others(headersNow), ...authorization(headersNow) } });
  if (!(Symbol.asyncIterator in Object(result))) onReply(result);
  return result;
};
