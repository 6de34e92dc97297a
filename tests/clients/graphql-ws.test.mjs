// The npm client `graphql-ws` over the socket: a query, a booking, live notices, and a reconnect that resumes where it was cut.
// Not here: the protocol's close codes one by one, which the Rust tests look at frame by frame.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { openBoxoffice, within } from './harness.mjs';
import { accepted, BOOK, EVENTS, NOTICE_RECEIVED, NOTICES, order, publishedEvent, signUp } from './operations.mjs';

let boxoffice;
let organizer;
let eventId;
let clients = [];

before(async () => {
  boxoffice = await openBoxoffice();
  organizer = await signUp(boxoffice, 'ORGANIZER');
  eventId = await publishedEvent(boxoffice, organizer, 100);
});

afterEach(async () => {
  await Promise.allSettled(clients.map((client) => client.dispose()));
  clients = [];
});

after(() => boxoffice?.remove());

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

async function book(customer, quantity = 1) {
  const { createBooking } = await boxoffice.request(BOOK, { input: order(eventId, quantity) }, customer.token);
  return accepted(createBooking).booking;
}

/**
 * A subscription to notices that remembers its place: `after` is read anew whenever the client subscribes, so the client's own
 * reconnect resumes behind the last message that arrived. Returns once the opening message is there.
 */
async function follow(client) {
  const feed = { notices: [], openings: 0, error: null, changed: () => {}, until };
  let cursor = null;
  const variables = {
    get after() {
      return cursor;
    },
  };
  client.subscribe(
    { query: NOTICE_RECEIVED, variables },
    {
      next({ data, errors }) {
        if (errors) feed.error = errors;
        else if (data.noticeReceived.resync) feed.error = 'resync';
        else if (data.noticeReceived.notice) feed.notices.push(data.noticeReceived.notice);
        else feed.openings += 1;
        cursor = data?.noticeReceived?.cursor ?? cursor;
        feed.changed();
      },
      error(error) {
        feed.error = error;
        feed.changed();
      },
      complete: () => feed.changed(),
    },
  );
  /** Waits until the condition holds for what arrived so far. */
  async function until(condition, what) {
    const holds = new Promise((resolve, reject) => {
      feed.changed = () => {
        if (condition(feed.notices)) resolve();
        else if (feed.error) reject(new Error(`subscription ended: ${JSON.stringify(feed.error)}`));
      };
      feed.changed();
    });
    await within(holds, what);
  }
  await until(() => feed.openings === 1, 'the opening message');
  return feed;
}

/** A promise that the test keeps when it likes. */
function promise() {
  let keep;
  const kept = new Promise((resolve) => (keep = resolve));
  return { kept, keep };
}

const confirmed = (notices) => notices.filter(({ kind }) => kind === 'BOOKING_CONFIRMED');

test('a query', async () => {
  const { events } = await once(connect(), EVENTS);
  assert.deepEqual(
    events.nodes.map(({ id, availability }) => ({ id, availability })),
    [{ id: eventId, availability: { available: 100 } }],
  );
});

test('a mutation books a place, and its key books it once', async () => {
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
  const feed = await follow(connect({ token: customer.token }));
  const other = await follow(connect({ token: bystander.token }));
  await book(customer);
  await feed.until((notices) => confirmed(notices).length === 1, 'the notice of the booking');
  await book(bystander);
  await other.until((notices) => confirmed(notices).length === 1, "the bystander's own notice");
  assert.equal(confirmed(feed.notices).length, 1);
});

test('a cut socket resumes: no gap, no duplicate', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  let socket;
  let closed = promise();
  let reconnect = promise();
  const client = connect({
    token: customer.token,
    retryAttempts: Infinity,
    retryWait: () => reconnect.kept,
    on: { connected: (opened) => (socket = opened), closed: () => closed.keep() },
  });
  const feed = await follow(client);
  const cuts = 5;
  for (let cut = 1; cut <= cuts; cut += 1) {
    await book(customer);
    await feed.until((notices) => confirmed(notices).length >= 2 * cut - 1, 'a notice while connected');
    [closed, reconnect] = [promise(), promise()];
    socket.terminate(); // no close frame, as when a cable is pulled
    await within(closed.kept, 'the cut');
    await book(customer);
    reconnect.keep();
    await feed.until((notices) => confirmed(notices).length >= 2 * cut, 'the notice missed while cut off');
  }
  assert.equal(feed.openings, 1 + cuts);
  const numbers = feed.notices.map(({ number }) => number);
  assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + index));
  // The list, asked for afterwards and newest first, says the same.
  const { notices } = await boxoffice.request(NOTICES, {}, customer.token);
  assert.deepEqual(feed.notices, notices.nodes.reverse().slice(-feed.notices.length));
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
  const feed = await follow(client);
  await book(customer);
  await feed.until((notices) => confirmed(notices).length === 1, 'a notice before the stop');
  await boxoffice.stop('SIGINT');
  assert.equal(await within(closed.kept, 'a closed socket'), 1012); // "service restart": clients come back
  await boxoffice.start();
  await book(customer);
  reconnect.keep();
  await feed.until((notices) => confirmed(notices).length === 2, 'the notice after the restart');
  await client.dispose();
  await boxoffice.stop('SIGTERM');
});
