// Live notices over plain HTTP, for clients that cannot or need not open a socket: graphql-sse, urql and Apollo's multipart protocol, each
// cut off and taken up again. Not here: how events and parts are framed (tests/it/edge/stream.rs).
import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { RetryLink } from '@apollo/client/link/retry';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-sse';
import { resumeLink } from 'boxoffice-client/apollo';
import { book, confirmed, follow, survivesCuts } from './feed.mjs';
import { openGate } from './gate.mjs';
import { openBoxoffice, within } from './harness.mjs';
import { accepted, BOOK, EVENTS, NOTICE_RECEIVED, order, publishedEvent, signUp } from './operations.mjs';

let boxoffice;
let gate;
let eventId;
let opened = [];

before(async () => {
  boxoffice = await openBoxoffice();
  gate = await openGate(boxoffice.origin);
  eventId = await publishedEvent(boxoffice, await signUp(boxoffice, 'ORGANIZER'), 100);
});

afterEach(() => {
  for (const end of opened) end();
  opened = [];
});

after(() => {
  gate?.remove();
  return boxoffice?.remove();
});

const bearer = (token) => (token ? { authorization: `Bearer ${token}` } : {});

/** A client of graphql-sse in its distinct connections mode, the default; it tries again when the gate is open. */
function events(token, headers = {}) {
  const client = createClient({
    url: gate.sse,
    headers: () => ({ ...bearer(token), ...(typeof headers === 'function' ? headers() : headers) }),
    retryAttempts: Infinity,
    retry: gate.opened,
  });
  opened.push(client.dispose);
  return client;
}

/** As graphql-sse's documentation wires urql. */
function urql(token) {
  const client = events(token);
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: client.subscribe({ query, variables }, sink) }),
  });
  return new Client({ url: gate.http, exchanges: [fetchExchange, subscriptionExchange({ forwardSubscription })] });
}

/** urql without any helper: subscriptions by fetch. It does not reconnect. */
const urqlByFetch = (token) =>
  new Client({ url: gate.sse, fetchOptions: { headers: bearer(token) }, fetchSubscriptions: true, exchanges: [fetchExchange] });

/** Apollo without a socket: subscriptions come in parts of an answer; lost connections are its RetryLink's business. */
function apollo(token) {
  const again = new RetryLink({ delay: { initial: 0, jitter: false }, attempts: () => gate.opened().then(() => true) });
  const link = ApolloLink.from([resumeLink(), again, new HttpLink({ uri: gate.http, headers: bearer(token) })]);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  opened.push(() => client.stop());
  return client;
}

const CLIENTS = {
  'graphql-sse': (token) => (sink, variables) => events(token).subscribe({ query: NOTICE_RECEIVED, variables }, sink),
  'graphql-sse by Last-Event-ID': (token) => (sink, variables) => {
    const last = () => (variables.after ? { 'last-event-id': variables.after } : {});
    return events(token, last).subscribe({ query: NOTICE_RECEIVED }, sink);
  },
  'urql over graphql-sse': (token) => (sink, variables) => urql(token).subscription(NOTICE_RECEIVED, variables).subscribe(sink.next).unsubscribe,
  'Apollo, multipart': (token) => (sink) => {
    const subscription = apollo(token).subscribe({ query: gql(NOTICE_RECEIVED) }).subscribe(sink);
    return () => subscription.unsubscribe();
  },
};

for (const [name, notices] of Object.entries(CLIENTS)) {
  suite(name, () => {
    test('a subscription brings the notice of a booking', async () => {
      const customer = await signUp(boxoffice, 'CUSTOMER');
      const feed = await follow(notices(customer.token));
      await book(boxoffice, eventId, customer);
      await feed.until((feed) => confirmed(feed) === 1, 'the notice of the booking');
      feed.end();
    });

    test('a cut connection resumes: no gap, no duplicate', async () => {
      const customer = await signUp(boxoffice, 'CUSTOMER');
      const feed = await follow(notices(customer.token));
      await survivesCuts({ boxoffice, gate, eventId, customer, feed });
      feed.end();
    });

    test('who is not signed in is told so', async () => {
      await assert.rejects(follow(notices()), (error) => /UNAUTHENTICATED/.test(JSON.stringify(error)));
    });
  });
}

test('urql by fetch: a subscription, until it is cut', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const client = urqlByFetch(customer.token);
  const feed = await follow((sink) => client.subscription(NOTICE_RECEIVED, {}).subscribe(sink.next).unsubscribe);
  await book(boxoffice, eventId, customer);
  await feed.until((feed) => confirmed(feed) === 1, 'the notice of the booking');
  feed.end();
});

test('graphql-sse: a query, a mutation and an error', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const once = async (query, variables) => (await within(events(customer.token).iterate({ query, variables }).next(), 'a result')).value;
  assert.deepEqual((await once(EVENTS)).data.events.nodes.map(({ id }) => id), [eventId]);
  assert.ok(accepted((await once(BOOK, { input: order(eventId) })).data.createBooking).booking.id);
  assert.equal((await once('{ nothingOfThatName }')).errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});
