// urql: a query, a booking, errors and variables over HTTP, live notices over graphql-ws, and a reconnect that resumes.
// Not here: its bindings for frameworks, and the protocols it shares with other clients (graphql-ws.test.mjs, sse.test.mjs).
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { book, confirmed, follow, survivesCuts } from './feed.mjs';
import { openGate } from './gate.mjs';
import { openBoxoffice } from './harness.mjs';
import { accepted, BOOK, EVENTS, NOTICE_RECEIVED, order, publishedEvent, signUp } from './operations.mjs';

let boxoffice;
let gate;
let eventId;
let sockets = [];

before(async () => {
  boxoffice = await openBoxoffice();
  gate = await openGate(boxoffice.origin);
  eventId = await publishedEvent(boxoffice, await signUp(boxoffice, 'ORGANIZER'), 100);
});

afterEach(async () => {
  await Promise.allSettled(sockets.map((socket) => socket.dispose()));
  sockets = [];
});

after(() => {
  gate?.remove();
  return boxoffice?.remove();
});

/** As urql's documentation wires it. */
function connect(token, options = {}) {
  const headers = token && { authorization: `Bearer ${token}` };
  const socket = createClient({ url: boxoffice.ws, webSocketImpl: WebSocket, connectionParams: headers, retryAttempts: 0, ...options });
  sockets.push(socket);
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
  });
  return new Client({
    url: boxoffice.http,
    fetchOptions: { headers },
    exchanges: [cacheExchange, fetchExchange, subscriptionExchange({ forwardSubscription })],
  });
}

function notices(client) {
  return follow((sink, variables) => client.subscription(NOTICE_RECEIVED, variables).subscribe(sink.next).unsubscribe);
}

const code = ({ error }) => error?.graphQLErrors[0]?.extensions.code;

test('a query by POST and by GET', async () => {
  for (const preferGetMethod of [false, 'force']) {
    const { data, error } = await connect().query(EVENTS, {}, { preferGetMethod });
    assert.equal(error, undefined);
    assert.deepEqual(data.events.nodes.map(({ id }) => id), [eventId]);
  }
});

test('a mutation books a ticket, and what was cached of the event is asked for again', async () => {
  const client = connect((await signUp(boxoffice, 'CUSTOMER')).token);
  const seen = async () => (await client.query(EVENTS, {})).data.events.nodes[0].availability.available;
  const before = await seen();
  // The cache forgets by type: the reply names the event's.
  const bookAndSee = BOOK.replace('booking { ', 'booking { event { id } ');
  const { data } = await client.mutation(bookAndSee, { input: order(eventId, 3) });
  assert.ok(accepted(data.createBooking).booking.id);
  assert.equal(await seen(), before - 3);
});

test('what is refused is data, what is at fault is an error with its code', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const refused = await connect(customer.token).mutation(BOOK, { input: order(eventId, 101) });
  assert.equal(refused.error, undefined);
  assert.equal(refused.data.createBooking.userErrors[0].code, 'INVALID');
  assert.equal(code(await connect().mutation(BOOK, { input: order(eventId) })), 'UNAUTHENTICATED');
  assert.equal(code(await connect().query('{ nothingOfThatName }', {})), 'GRAPHQL_VALIDATION_FAILED');
  assert.equal(code(await connect().query(EVENTS.replace('20', '101'), {})), 'BAD_USER_INPUT');
  await assert.rejects(notices(connect()), ({ graphQLErrors }) => graphQLErrors[0].extensions.code === 'UNAUTHENTICATED');
});

test('a subscription brings the notice of a booking', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const feed = await notices(connect(customer.token));
  await book(boxoffice, eventId, customer);
  await feed.until((feed) => confirmed(feed) === 1, 'the notice of the booking');
  feed.end();
});

test('a cut socket resumes: no gap, no duplicate', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const feed = await notices(connect(customer.token, { url: gate.ws, retryAttempts: Infinity, retryWait: gate.opened }));
  await survivesCuts({ boxoffice, gate, eventId, customer, feed });
  feed.end();
});
