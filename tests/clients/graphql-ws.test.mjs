// The npm client `graphql-ws` over the socket: a query, a booking, live notices, and a reconnect that resumes where it was cut.
// Not here: the protocol's close codes one by one, which the Rust tests look at frame by frame.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { book, confirmed, follow, survivesCuts } from './feed.mjs';
import { openGate } from './gate.mjs';
import { openBoxoffice, promise, within } from './harness.mjs';
import { accepted, BOOK, EVENTS, NOTICE_RECEIVED, order, publishedEvent, signUp } from './operations.mjs';

let boxoffice;
let gate;
let eventId;
let clients = [];

before(async () => {
  boxoffice = await openBoxoffice();
  gate = await openGate(boxoffice.origin);
  eventId = await publishedEvent(boxoffice, await signUp(boxoffice, 'ORGANIZER'), 100);
});

afterEach(async () => {
  await Promise.allSettled(clients.map((client) => client.dispose()));
  clients = [];
});

after(() => {
  gate?.remove();
  return boxoffice?.remove();
});

function connect(options = {}) {
  const { token, ...rest } = options;
  const connectionParams = token && { Authorization: `Bearer ${token}` };
  const client = createClient({ url: boxoffice.ws, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, ...rest });
  clients.push(client);
  return client;
}

/** The one result of a query or mutation. */
async function once(client, query, variables) {
  const { value } = await within(client.iterate({ query, variables }).next(), 'a result');
  assert.equal(value.errors, undefined, JSON.stringify(value.errors));
  return value.data;
}

/** A subscription to notices; `after` is read anew whenever the client subscribes, so its own reconnect resumes. */
const notices = (client) => follow((sink, variables) => client.subscribe({ query: NOTICE_RECEIVED, variables }, sink));

test('a query', async () => {
  const { events } = await once(connect(), EVENTS);
  assert.deepEqual(
    events.nodes.map(({ id, availability }) => ({ id, availability })),
    [{ id: eventId, availability: { available: 100 } }],
  );
});

test('a mutation books a ticket, and its key books it once', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const client = connect({ token: customer.token });
  const input = order(eventId, 2);
  const first = accepted((await once(client, BOOK, { input })).createBooking);
  const again = accepted((await once(client, BOOK, { input })).createBooking);
  assert.match(first.booking.reference, /^EVT-[0-9A-Z]{6}$/);
  assert.equal(first.booking.status, 'CONFIRMED');
  assert.equal(first.waitlistEntry, null);
  assert.deepEqual(again, first);
});

test('a subscription brings the notice of a booking, to its customer only', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const bystander = await signUp(boxoffice, 'CUSTOMER');
  const feed = await notices(connect({ token: customer.token }));
  const other = await notices(connect({ token: bystander.token }));
  await book(boxoffice, eventId, customer);
  await feed.until((feed) => confirmed(feed) === 1, 'the notice of the booking');
  await book(boxoffice, eventId, bystander);
  await other.until((feed) => confirmed(feed) === 1, "the bystander's own notice");
  assert.equal(confirmed(feed), 1);
});

test('a cut socket resumes: no gap, no duplicate', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const feed = await notices(connect({ url: gate.ws, token: customer.token, retryAttempts: Infinity, retryWait: gate.opened }));
  await survivesCuts({ boxoffice, gate, eventId, customer, feed, cuts: 5 });
});

test('an invalid document is an error of the client, the connection goes on', async () => {
  let connections = 0;
  const client = connect({ lazy: false, on: { connected: () => (connections += 1) } });
  for (const query of ['query { nothingOfThatName }', 'subscription { nothingOfThatName }', 'query {']) {
    const errors = await within(client.iterate({ query }).next(), 'an error').then(
      (result) => assert.fail(`got a result: ${JSON.stringify(result)}`),
      (errors) => errors,
    );
    assert.ok(Array.isArray(errors), String(errors)); // a message of type `error`; a closed socket would be a CloseEvent
    const code = query.endsWith('}') ? 'GRAPHQL_VALIDATION_FAILED' : 'GRAPHQL_PARSE_FAILED';
    assert.equal(errors[0].extensions.code, code);
  }
  await once(client, EVENTS);
  assert.equal(connections, 1);
});

test('notices without a token are refused', async () => {
  const result = await within(connect().iterate({ query: NOTICE_RECEIVED }).next(), 'a refusal').catch((errors) => ({ value: { errors } }));
  assert.equal(result.value.errors[0].extensions.code, 'UNAUTHENTICATED');
});

test('a broken token does not connect', async () => {
  const refused = within(connect({ token: 'not.a.token' }).iterate({ query: EVENTS }).next(), 'a closed socket');
  await assert.rejects(refused, ({ code }) => code === 4403);
});

test('ctrl-c ends cleanly with open subscriptions, and the client resumes after the restart', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const closed = promise();
  const reconnect = promise();
  const client = connect({
    token: customer.token,
    retryAttempts: Infinity,
    retryWait: () => reconnect.kept,
    on: { closed: ({ code }) => closed.keep(code) },
  });
  const feed = await notices(client);
  await book(boxoffice, eventId, customer);
  await feed.until((feed) => confirmed(feed) === 1, 'a notice before the stop');
  await boxoffice.stop('SIGINT');
  assert.equal(await within(closed.kept, 'a closed socket'), 1012); // "service restart": clients come back
  await boxoffice.start();
  await book(boxoffice, eventId, customer);
  reconnect.keep();
  await feed.until((feed) => confirmed(feed) === 2, 'the notice after the restart');
  await client.dispose();
  await boxoffice.stop('SIGTERM');
});
