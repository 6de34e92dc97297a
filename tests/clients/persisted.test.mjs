// Automatic persisted queries as Apollo Client and urql speak them: the hash alone by GET, the text once when nobody knows it here.
// Not here: what is kept for how long, and lists of trusted documents (tests/it/edge/document.rs).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { openBoxoffice } from './harness.mjs';
import { accepted, BOOK, order, publishedEvent, signUp } from './operations.mjs';

let boxoffice;
let eventId;
let token;

before(async () => {
  boxoffice = await openBoxoffice();
  eventId = await publishedEvent(boxoffice, await signUp(boxoffice, 'ORGANIZER'), 10);
  ({ token } = await signUp(boxoffice, 'CUSTOMER'));
});
after(() => boxoffice?.remove());

/** A `fetch` that notes what it was asked: the method, with the text or without. */
function noting() {
  const asked = [];
  const fetchIt = (url, init = {}) => {
    const sent = init.body ?? new URL(url, boxoffice.origin).search;
    assert.match(sent, /persistedQuery/);
    asked.push(`${init.method ?? 'GET'} ${/[?&"]query["=]/.test(sent) ? 'text' : 'hash'}`);
    return fetch(url, init);
  };
  return { asked, fetch: fetchIt };
}

const headers = () => ({ authorization: `Bearer ${token}` });

const CLIENTS = {
  Apollo(fetchIt) {
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    const hashes = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
    const link = hashes.concat(new HttpLink({ uri: boxoffice.http, headers: headers(), fetch: fetchIt }));
    const client = new ApolloClient({ link, cache: new InMemoryCache(), defaultOptions: { query: { fetchPolicy: 'no-cache' } } });
    return {
      query: async (query) => (await client.query({ query: gql(query) })).data,
      mutate: async (mutation, variables) => (await client.mutate({ mutation: gql(mutation), variables })).data,
    };
  },
  urql(fetchIt) {
    const hashes = persistedExchange({ preferGetForPersistedQueries: true, enableForMutation: true });
    const client = new Client({
      url: boxoffice.http,
      fetch: fetchIt,
      fetchOptions: { headers: headers() },
      preferGetMethod: false,
      exchanges: [hashes, fetchExchange],
    });
    const data = ({ data, error }) => data ?? assert.fail(String(error));
    return {
      query: async (query) => data(await client.query(query, {}, { requestPolicy: 'network-only' })),
      mutate: async (mutation, variables) => data(await client.mutation(mutation, variables)),
    };
  },
};

for (const [name, connect] of Object.entries(CLIENTS)) {
  suite(name, () => {
    // Named after the client: to be known from the other one would be no first time.
    const query = `query EventsFor${name} { events(first: 1) { nodes { id } } }`;

    test('the text is sent once, whoever asks', async () => {
      const first = noting();
      const client = connect(first.fetch);
      for (let n = 0; n < 3; n += 1) assert.deepEqual((await client.query(query)).events.nodes.map(({ id }) => id), [eventId]);
      assert.equal(first.asked.filter((sent) => sent.endsWith('text')).length, 1, String(first.asked));
      assert.deepEqual([first.asked[0], ...first.asked.slice(2)], ['GET hash', 'GET hash', 'GET hash']);
      const second = noting();
      await connect(second.fetch).query(query);
      assert.deepEqual(second.asked, ['GET hash']);
    });

    test('a mutation by its hash never goes by GET, and books once', async () => {
      const { asked, fetch } = noting();
      const client = connect(fetch);
      const book = BOOK.replace('Book(', `BookFor${name}(`);
      const input = order(eventId);
      const [one, two] = [await client.mutate(book, { input }), await client.mutate(book, { input })];
      assert.deepEqual(accepted(two.createBooking).booking.id, accepted(one.createBooking).booking.id);
      assert.deepEqual(asked, ['POST hash', 'POST text', 'POST hash']);
    });
  });
}
