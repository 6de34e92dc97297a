// What an operator switches on, as clients meet it: batches with Apollo's BatchHttpLink, and a list of trusted documents named by Apollo's
// manifest. Not here: every way to be refused (tests/it/edge/batch.rs, trusted.rs).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { print } from 'graphql';
import { openBoxoffice } from './harness.mjs';

const EVENTS = gql`query Events { events(first: 1) { totalCount } }`;
const VIEWER = gql`query Viewer { viewer { id } }`;

test('queries of one moment go as one batch', async (context) => {
  const boxoffice = await openBoxoffice({ flags: ['--no-demo', '--batch-max', '3'] });
  context.after(() => boxoffice.remove());
  const sent = [];
  const noting = (url, init) => {
    sent.push(JSON.parse(init.body).length);
    return fetch(url, init);
  };
  const link = new BatchHttpLink({ uri: boxoffice.http, fetch: noting, batchMax: 3 });
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const answers = await Promise.all([EVENTS, VIEWER].map((query) => client.query({ query })));
  assert.deepEqual(answers.map(({ data }) => data.events?.totalCount ?? data.viewer), [0, null]);
  assert.deepEqual(sent, [2]);
});

test('a listed document runs by its hash, another is refused readably', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'boxoffice-trusted-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const body = print(new InMemoryCache().transformDocument(EVENTS)); // with the __typename that Apollo Client asks for
  const operations = [{ id: sha256(body), name: 'Events', type: 'query', body }];
  const manifest = { format: 'apollo-persisted-query-manifest', version: 1, operations };
  writeFileSync(join(folder, 'persisted-query-manifest.json'), JSON.stringify(manifest));
  const boxoffice = await openBoxoffice({ flags: ['--no-demo', '--trusted-documents', folder] });
  context.after(() => boxoffice.remove());
  const link = new PersistedQueryLink({ sha256 }).concat(new HttpLink({ uri: boxoffice.http }));
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  assert.equal((await client.query({ query: EVENTS })).data.events.totalCount, 0);
  await assert.rejects(client.query({ query: VIEWER }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error) || error.statusCode === 403, String(error));
    return /trusted list/.test(JSON.stringify(error) + error.bodyText + error.message);
  });
});
