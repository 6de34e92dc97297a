// Every operation that stands ready in the GraphiQL page or is used by these tests fits schema.graphql, the public contract.
// Not here: running them (graphql-ws.test.mjs).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildSchema, getVariableValues, Kind, parse, validate } from 'graphql';
import { tabs } from '../../web/graphiql/operations.js';
import * as operations from './operations.mjs';

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));

function operationOf(query) {
  const document = parse(query);
  assert.deepEqual(validate(schema, document).map(String), [], query);
  return document.definitions.find(({ kind }) => kind === Kind.OPERATION_DEFINITION);
}

test('the tabs of the GraphiQL page, with their variables', () => {
  for (const { query, variables = '{}' } of tabs) {
    const { errors } = getVariableValues(schema, operationOf(query).variableDefinitions, JSON.parse(variables));
    assert.deepEqual((errors ?? []).map(String), [], query);
  }
});

test('the operations of these tests', () => {
  const documents = Object.values(operations).filter((value) => typeof value === 'string');
  assert.ok(documents.length > 0);
  documents.forEach(operationOf);
});
