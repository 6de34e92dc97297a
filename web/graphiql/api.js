// Where the API is, and one request to it as any other client would send it.
// Not here: whose token goes along (session.js), what the editors send (fetcher.js).

export const HTTP_URL = '/graphql';
export const WS_URL = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/graphql/ws`;

/** The reply to one operation as `{ data, errors, date }`, `date` being the server's clock. Throws when there is no reply to read. */
export async function ask(query, variables, headers) {
  const response = await fetch(HTTP_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return { ...(await response.json()), date: Date.parse(response.headers.get('date')) || Date.now() };
}

/** The data of one operation; throws what the API says against it. */
export async function dataOf(query, variables) {
  const { data, errors } = await ask(query, variables);
  if (!data || errors) throw new Error(errors?.[0]?.message ?? 'The API sent no data.');
  return data;
}
