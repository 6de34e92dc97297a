// Every operation that stands ready in the GraphiQL page or is used by these tests fits schema.graphql, the public contract.
// Not here: running them (graphql-ws.test.mjs).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildSchema, getVariableValues, Kind, parse, validate } from 'graphql';
import { operations as ready, tabs } from '../../web/graphiql/operations.js';
import * as operations from './operations.mjs';

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));

function operationsOf(query) {
  const document = parse(query);
  assert.deepEqual(validate(schema, document).map(String), [], query);
  return document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
}

test('the ready operations of the GraphiQL page, with their variables', () => {
  for (const { name, query, variables = '{}' } of ready) {
    const own = operationsOf(query);
    assert.equal(own[0].name.value, name);
    const { errors } = getVariableValues(
      schema,
      own.flatMap(({ variableDefinitions }) => variableDefinitions),
      JSON.parse(variables),
    );
    assert.deepEqual((errors ?? []).map(String), [], query);
    assert.match(query, /^# As /); // whom to run it as
  }
});

test('the tabs of the GraphiQL page: where there is no demo, one to sign up', () => {
  const names = (open) => open.map(({ query }) => operationsOf(query)[0].name.value);
  assert.deepEqual(names(tabs(true)), names(tabs(false)).filter((name) => name !== 'SignUp'));
  assert.equal(names(tabs(false)).length, ready.length);
});

test('the operations of these tests', () => {
  const documents = Object.values(operations).filter((value) => typeof value === 'string');
  assert.ok(documents.length > 0);
  documents.forEach(operationsOf);
});
