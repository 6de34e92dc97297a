// The audits of the GraphQL-over-HTTP specification (npm graphql-http), each of them a test: all must be ok, not only the MUSTs.
// Not here: what our own tests ask of HTTP (tests/it/edge/http.rs).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { auditServer } from 'graphql-http';
import { openBoxoffice } from './harness.mjs';

let boxoffice;
before(async () => {
  boxoffice = await openBoxoffice();
});
after(() => boxoffice?.remove());

test('every audit of GraphQL over HTTP is ok', async (context) => {
  const results = await auditServer({ url: boxoffice.http });
  assert.ok(results.length >= 61, `${results.length} audits are fewer than the specification has`);
  for (const { id, name, status, reason } of results) {
    await context.test(`${id} ${name}`, () => assert.equal(status, 'ok', reason));
  }
});
