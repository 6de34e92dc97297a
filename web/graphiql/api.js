// The addresses of the API, and one request to it, as any other client would send it.
// Not here: the token of the request (session.js), and requests of the editors (fetcher.js).

export const HTTP_URL = '/graphql';
export const WS_URL = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/graphql/ws`;

/** Returns the reply to one operation as `{ data, errors, date }`, `date` being the server's clock. Throws without a readable reply. */
export async function ask(query, variables, headers) {
  const response = await fetch(HTTP_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return { ...(await response.json()), date: Date.parse(response.headers.get('date')) || Date.now() };
}

/** Returns the data of one operation; throws its errors. */
export async function dataOf(query, variables) {
  const { data, errors } = await ask(query, variables);
  if (!data || errors) throw new Error(errors?.[0]?.message ?? 'The API sent no data.');
  return data;
}
