// Apollo Client 4, without React: a query, a booking that updates the cache, live notices, errors, and a reconnect that resumes.
// Not here: its hooks, which the example uses in a browser (tests/browser).
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import { tap } from 'rxjs';
import WebSocket from 'ws';
import { openBoxoffice, within } from './harness.mjs';
import { accepted, BOOK, NOTICE_RECEIVED, NOTICES, order, publishedEvent, signUp } from './operations.mjs';

globalThis.WebSocket ??= WebSocket; // GraphQLWsLink looks at its constants, and Node has none before version 22

const EVENT = gql`
  query Event($id: ID!) {
    event(id: $id) {
      id
      availability {
        available
      }
    }
  }
`;

const BOOK_AND_SEE = gql`
  mutation BookAndSee($input: CreateBookingInput!) {
    createBooking(input: $input) {
      booking {
        id
        event {
          id
          availability {
            available
          }
        }
      }
      userErrors {
        code
        message
        path
      }
    }
  }
`;

let boxoffice;
let eventId;
let opened = [];

before(async () => {
  boxoffice = await openBoxoffice();
  eventId = await publishedEvent(boxoffice, await signUp(boxoffice, 'ORGANIZER'), 100);
});

afterEach(async () => {
  for (const { client, socket } of opened) {
    client.stop();
    await socket.dispose();
  }
  opened = [];
});

after(() => boxoffice?.remove());

// What the example does, in src/boxoffice.ts: `after` is read whenever the socket subscribes.
const resume = new ApolloLink((operation, forward) => {
  let { after } = operation.variables;
  operation.variables = {
    ...operation.variables,
    get after() {
      return after;
    },
  };
  return forward(operation).pipe(tap(({ data }) => (after = data?.noticeReceived?.cursor ?? after)));
});

function connect(token, options = {}) {
  const headers = token && { authorization: `Bearer ${token}` };
  const socket = createClient({ url: boxoffice.ws, webSocketImpl: WebSocket, connectionParams: headers, retryAttempts: 0, ...options });
  const http = new HttpLink({ uri: boxoffice.http, headers });
  const link = ApolloLink.split(({ operationType }) => operationType === 'subscription', resume.concat(new GraphQLWsLink(socket)), http);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  opened.push({ client, socket });
  return client;
}

/** What a subscription to notices brought so far, once its opening message is there. */
async function follow(client) {
  const feed = { notices: [], openings: 0, error: null, changed: () => {} };
  const subscription = client.subscribe({ query: gql(NOTICE_RECEIVED) }).subscribe({
    next({ data, error }) {
      if (error) feed.error = error;
      else if (data.noticeReceived.notice) feed.notices.push(data.noticeReceived.notice);
      else feed.openings += 1;
      feed.changed();
    },
    error(error) {
      feed.error = error;
      feed.changed();
    },
  });
  feed.end = () => subscription.unsubscribe();
  feed.until = (condition, what) => {
    const holds = new Promise((resolve, reject) => {
      feed.changed = () => (condition(feed) ? resolve() : feed.error && reject(feed.error));
      feed.changed();
    });
    return within(holds, what);
  };
  await feed.until(({ openings }) => openings === 1, 'the opening message');
  return feed;
}

const book = async ({ token }) => accepted((await boxoffice.request(BOOK, { input: order(eventId) }, token)).createBooking);

const confirmed = ({ notices }) => notices.filter(({ kind }) => kind === 'BOOKING_CONFIRMED').length;

test('a query, and a booking whose reply updates the cache', async () => {
  const client = connect((await signUp(boxoffice, 'CUSTOMER')).token);
  const variables = { id: eventId };
  const before = (await client.query({ query: EVENT, variables })).data.event.availability.available;
  const { data } = await client.mutate({ mutation: BOOK_AND_SEE, variables: { input: order(eventId, 3) } });
  assert.ok(accepted(data.createBooking).booking.id);
  const cached = client.readQuery({ query: EVENT, variables });
  assert.equal(cached.event.availability.available, before - 3);
});

test('what is refused is data, what is at fault is an error with its code', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const wanted = { mutation: BOOK_AND_SEE, variables: { input: order(eventId, 100) } };
  const { data } = await connect(customer.token).mutate({ ...wanted, variables: { input: order(eventId, 101) } });
  assert.equal(data.createBooking.userErrors[0].code, 'INVALID');
  const code = (error) => CombinedGraphQLErrors.is(error) && error.errors[0].extensions.code;
  await assert.rejects(connect().mutate(wanted), (error) => code(error) === 'UNAUTHENTICATED');
  const organizer = await signUp(boxoffice, 'ORGANIZER');
  await assert.rejects(connect(organizer.token).mutate(wanted), (error) => code(error) === 'FORBIDDEN');
  const { error } = await connect(customer.token).query({ query: gql`{ nothingOfThatName }`, errorPolicy: 'all' });
  assert.equal(code(error), 'GRAPHQL_VALIDATION_FAILED');
  const feed = follow(connect());
  await assert.rejects(feed, (error) => code(error) === 'UNAUTHENTICATED');
});

test('a subscription brings the notice of a booking', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  const feed = await follow(connect(customer.token));
  await book(customer);
  await feed.until((feed) => confirmed(feed) === 1, 'the notice of the booking');
  feed.end();
});

test('a cut socket resumes: no gap, no duplicate', async () => {
  const customer = await signUp(boxoffice, 'CUSTOMER');
  let socket;
  let closed;
  let reconnect;
  const promise = () => {
    let keep;
    const kept = new Promise((resolve) => (keep = resolve));
    return { kept, keep };
  };
  const client = connect(customer.token, {
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: () => reconnect.kept,
    on: { connected: (open) => (socket = open), closed: () => closed?.keep() },
  });
  const feed = await follow(client);
  const cuts = 3;
  for (let cut = 1; cut <= cuts; cut += 1) {
    await book(customer);
    await feed.until((feed) => confirmed(feed) === 2 * cut - 1, 'a notice while connected');
    [closed, reconnect] = [promise(), promise()];
    socket.terminate(); // no close frame, as when a cable is pulled
    await within(closed.kept, 'the cut');
    await book(customer);
    reconnect.keep();
    await feed.until((feed) => confirmed(feed) === 2 * cut, 'the notice missed while cut off');
  }
  assert.equal(feed.openings, 1 + cuts);
  feed.end();
  const numbers = feed.notices.map(({ number }) => number);
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => numbers[0] + index),
  );
  const { notices } = await boxoffice.request(NOTICES, {}, customer.token);
  assert.deepEqual(numbers, notices.nodes.map(({ number }) => number).reverse().slice(-numbers.length));
});
