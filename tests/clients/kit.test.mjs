// The package clients/js: it is current with schema.graphql, live availability merges with its event in the caches of Apollo Client and
// urql without extra code, streams resume, and neither client complains. Not here: clients without it (apollo.test.mjs, urql.test.mjs).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import * as apollo from 'boxoffice-client/apollo';
import * as urql from 'boxoffice-client/urql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { follow, survivesCuts } from './feed.mjs';
import { openGate } from './gate.mjs';
import { openBoxoffice, within } from './harness.mjs';
import { accepted, NOTICE_RECEIVED, order, publishedEvent, signUp } from './operations.mjs';

globalThis.WebSocket ??= WebSocket; // GraphQLWsLink looks at its constants, and Node has none before version 22

const PAGE = `query Page($first: Int!, $after: String) {
  events(first: $first, after: $after) {
    nodes { id title price { amount currency } myBookings { id status } availability { id available waiting } }
    pageInfo { endCursor hasNextPage }
  }
}`;
const AVAILABILITY = 'subscription Availability($eventIds: [ID!]) { availabilityChanged(eventIds: $eventIds) { id available waiting } }';
const BOOK = `mutation Book($input: CreateBookingInput!) {
  createBooking(input: $input) {
    booking { id status event { id myBookings { id status } } }
    userErrors { message ... on NotEnoughTicketsError { available } }
  }
}`;
const NOTICES = 'query Notices { notices(first: 20) { unreadCount nodes { id text read changes { field text } } } }';
const MARK = 'mutation Mark($upTo: Int!) { markNoticesRead(input: { upTo: $upTo }) { notices { id read } userErrors { message } } }';

let boxoffice;
let gate;
let events;
let ends = [];
let said = [];
const loud = ['log', 'info', 'warn', 'error'];
const original = Object.fromEntries(loud.map((name) => [name, console[name]]));

before(async () => {
  boxoffice = await openBoxoffice();
  gate = await openGate(boxoffice.origin);
  const organizer = await signUp(boxoffice, 'ORGANIZER');
  events = [await publishedEvent(boxoffice, organizer, 100), await publishedEvent(boxoffice, organizer, 100)];
  for (const name of loud) console[name] = (...words) => said.push(words.map(String).join(' '));
});

afterEach(async () => {
  await Promise.allSettled(ends.map((end) => end()));
  ends = [];
  const problems = said.splice(0);
  assert.deepEqual(problems, [], 'the console is silent');
});

after(() => {
  Object.assign(console, original);
  gate?.remove();
  return boxoffice?.remove();
});

const patient = { retryAttempts: Infinity, shouldRetry: () => true };

function socketOf(token, url) {
  const headers = token && { authorization: `Bearer ${token}` };
  const socket = createClient({ url, webSocketImpl: WebSocket, connectionParams: headers, retryWait: () => gate.opened(), ...patient });
  ends.push(() => socket.dispose());
  return socket;
}

/** Both clients, made alike: ask, change, watch a query, follow a stream. */
const CLIENTS = {
  'Apollo Client': (token, url = boxoffice.ws) => {
    const http = new HttpLink({ uri: boxoffice.http, headers: { authorization: `Bearer ${token}` } });
    const live = apollo.resumeLink().concat(new GraphQLWsLink(socketOf(token, url)));
    const link = ApolloLink.split(({ operationType }) => operationType === 'subscription', live, http);
    const client = new ApolloClient({ link, cache: new InMemoryCache(apollo.cacheOptions) });
    ends.push(() => client.stop());
    return {
      query: async (query, variables) => (await client.query({ query: gql(query), variables, fetchPolicy: 'network-only' })).data,
      change: async (query, variables) => (await client.mutate({ mutation: gql(query), variables })).data,
      watch: (query, variables, see) => {
        const watched = client.watchQuery({ query: gql(query), variables }).subscribe(({ data }) => data && see(data));
        return () => watched.unsubscribe();
      },
      follow: (query, variables, sink) => {
        const subscription = client.subscribe({ query: gql(query), variables }).subscribe(sink);
        return () => subscription.unsubscribe();
      },
    };
  },
  urql: (token, url = boxoffice.ws) => {
    const socket = socketOf(token, url);
    const forwardSubscription = ({ query, variables }) => ({ subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }) });
    const exchanges = [cacheExchange(urql.cacheOptions), fetchExchange, urql.resumeExchange, subscriptionExchange({ forwardSubscription })];
    const client = new Client({ url: boxoffice.http, fetchOptions: { headers: { authorization: `Bearer ${token}` } }, exchanges });
    const data = ({ data, error }) => {
      if (error) throw error;
      return data;
    };
    return {
      query: async (query, variables) => data(await client.query(query, variables, { requestPolicy: 'network-only' }).toPromise()),
      change: async (query, variables) => data(await client.mutation(query, variables).toPromise()),
      watch: (query, variables, see) => client.query(query, variables).subscribe((result) => result.data && see(result.data)).unsubscribe,
      follow: (query, variables, sink) => client.subscription(query, variables).subscribe(sink.next).unsubscribe,
    };
  },
};

test('what is generated is current', () => {
  const generate = fileURLToPath(new URL('../../clients/js/generate.mjs', import.meta.url));
  execFileSync(process.execPath, [generate, '--check'], { stdio: 'pipe' });
});

for (const [name, connect] of Object.entries(CLIENTS)) {
  test(`${name}: what changes live and by mutations is merged into the page`, async () => {
    const customer = await signUp(boxoffice, 'CUSTOMER');
    const client = connect(customer.token);
    let page;
    let looked = () => {};
    const until = (holds, what) => {
      const seen = new Promise((resolve) => (looked = () => page && holds() && resolve()));
      looked();
      return within(seen, what);
    };
    const stop = client.watch(PAGE, { first: 20 }, (data) => {
      page = data;
      looked();
    });
    const shown = () => page.events.nodes.find(({ id }) => id === events[0]);
    await until(() => true, 'the page');
    const before = shown().availability.available;
    const end = client.follow(AVAILABILITY, { eventIds: events }, { next() {}, error: assert.fail, complete() {} });
    const { createBooking } = await client.change(BOOK, { input: order(events[0], 2) });
    assert.equal(accepted(createBooking).booking.status, 'CONFIRMED');
    await until(() => shown().availability.available === before - 2, 'the figures of the stream on the page');
    await until(() => shown().myBookings.length === 1, 'the booking on the page');
    const refused = await client.change(BOOK, { input: order(events[0], 100) });
    assert.ok(refused.createBooking.userErrors[0].available >= 0, 'a fragment on a refusal matches');
    const notices = async () => (await client.query(NOTICES, {})).notices.nodes;
    end();
    stop();
    const [notice] = await asked(notices, 'the notice');
    assert.equal(notice.read, false);
    const marked = await client.change(MARK, { upTo: 1 });
    assert.deepEqual(marked.markNoticesRead.notices.map(({ read }) => read), [true]);
  });

  test(`${name}: a cut socket resumes: no gap, no duplicate`, async () => {
    const customer = await signUp(boxoffice, 'CUSTOMER');
    const client = connect(customer.token, gate.ws);
    const feed = await follow((sink) => client.follow(NOTICE_RECEIVED, {}, sink));
    await survivesCuts({ boxoffice, gate, eventId: events[1], customer, feed });
    feed.end();
  });
}

test('Apollo Client: fetchMore joins the pages', async () => {
  const cache = new InMemoryCache(apollo.cacheOptions);
  const query = gql(PAGE);
  const http = new HttpLink({ uri: boxoffice.http });
  const client = new ApolloClient({ link: http, cache });
  ends.push(() => client.stop());
  const watched = client.watchQuery({ query, variables: { first: 1 } });
  const subscription = watched.subscribe(() => {});
  ends.push(() => subscription.unsubscribe());
  const { data } = await client.query({ query, variables: { first: 1 } });
  assert.equal(data.events.nodes.length, 1);
  await watched.fetchMore({ variables: { first: 1, after: data.events.pageInfo.endCursor } });
  const both = client.readQuery({ query, variables: { first: 1 } });
  assert.deepEqual(both.events.nodes.map(({ id }) => id), events);
  assert.equal(both.events.pageInfo.hasNextPage, false);
});

/** Asks until something is there: the notice of a booking follows its answer. */
async function asked(ask, what) {
  const look = async () => {
    for (;;) {
      const found = await ask();
      if (found.length) return found;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return within(look(), what);
}
