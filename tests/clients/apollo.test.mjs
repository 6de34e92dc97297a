// Apollo Client 4, without React: a query, a booking that updates the cache, live notices, errors, and a reconnect that resumes.
// Not here: its hooks, which the example uses in a browser (tests/browser).
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { cacheOptions, resumeLink } from 'boxoffice-client/apollo';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { book, confirmed, follow, survivesCuts } from './feed.mjs';
import { openGate } from './gate.mjs';
import { openBoxoffice } from './harness.mjs';
import { accepted, NOTICE_RECEIVED, order, publishedEvent, signUp } from './operations.mjs';

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
let gate;
let eventId;
let opened = [];

before(async () => {
  boxoffice = await openBoxoffice();
  gate = await openGate(boxoffice.origin);
  eventId = await publishedEvent(boxoffice, await signUp(boxoffice, 'ORGANIZER'), 100);
});

afterEach(async () => {
  for (const { client, socket } of opened) {
    client.stop();
    await socket.dispose();
  }
  opened = [];
});

after(() => {
  gate?.remove();
  return boxoffice?.remove();
});

function connect(token, options = {}) {
  const headers = token && { authorization: `Bearer ${token}` };
  const socket = createClient({ url: boxoffice.ws, webSocketImpl: WebSocket, connectionParams: headers, retryAttempts: 0, ...options });
  const http = new HttpLink({ uri: boxoffice.http, headers });
  const link = ApolloLink.split(({ operationType }) => operationType === 'subscription', resumeLink().concat(new GraphQLWsLink(socket)), http);
  const client = new ApolloClient({ link, cache: new InMemoryCache(cacheOptions) });
  opened.push({ client, socket });
  return client;
}

function notices(client) {
  return follow((sink) => {
    const subscription = client.subscribe({ query: gql(NOTICE_RECEIVED) }).subscribe(sink);
    return () => subscription.unsubscribe();
  });
}

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
  await assert.rejects(notices(connect()), (error) => code(error) === 'UNAUTHENTICATED');
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
  const patient = { retryAttempts: Infinity, shouldRetry: () => true, retryWait: gate.opened };
  const feed = await notices(connect(customer.token, { url: gate.ws, ...patient }));
  await survivesCuts({ boxoffice, gate, eventId, customer, feed });
  feed.end();
});
