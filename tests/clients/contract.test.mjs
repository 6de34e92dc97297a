// schema.graphql as a product: what it takes from clients of the last release, how it reads, and whether a gateway can take it in.
// Each check has a negative control that shows it can fail. Not here: whether it is what the binary serves (tests/it/schema.rs).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { composeServices } from '@theguild/federation-composition';
import { ESLint } from 'eslint';
import { buildSchema, parse } from 'graphql';
import { accepted } from './eslint.config.mjs';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const contract = read('../../schema.graphql');
const released = read('released/schema.graphql');

/** The contract with one thing changed, which must be there to be changed. */
function changed(from, to) {
  assert.ok(contract.includes(from), from);
  return contract.replace(from, to);
}

// --- clients of the last release

/** What breaks clients that were made for the old contract. */
async function breaking(old, current) {
  const changes = await diff(buildSchema(old), buildSchema(current));
  return changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking).map(({ message }) => message);
}

test('nothing of the last release is broken', async () => {
  const broken = await breaking(released, contract);
  assert.deepEqual(broken, [], 'deprecate it first, and let it go a release later; boxoffice schema diff shows what changed');
});

test('additions break nothing', async () => {
  for (const [what, current] of [
    ['a type', `${contract}\n"Added."\ntype Added { "Added." added: Int }`],
    ['a field', changed('type Availability implements Node {', 'type Availability implements Node {\n"Added."\nadded: Int\n')],
    ['an optional input field', changed('input SignInInput {', 'input SignInInput {\n"Added."\nadded: Int\n')],
    ['a deprecation', changed('\tcapacity: Int!', '\tcapacity: Int! @deprecated(reason: "Added.")')],
  ]) {
    assert.deepEqual(await breaking(contract, current), [], what);
  }
});

test('what breaks clients is found', async () => {
  for (const [current, message] of [
    [changed('\taccessToken: String!', '\ttoken: String!'), /'accessToken' was removed from .*'AccessToken'/],
    [changed('\tcapacity: Int!', '\tcapacity: Int'), /'Availability.capacity' changed type from 'Int!' to 'Int'/],
    [changed('\t\tfirst: Int,', '\t\tfirst: Int!,'), /argument 'first' .* from 'Int' to 'Int!'/],
    [changed('input SignInInput {', 'input SignInInput {\nadded: Int!\n'), /'added' .*'SignInInput'/],
    [changed('\tCANCELLED\n', '\tCALLED_OFF\n'), /value 'CANCELLED' was removed/],
  ]) {
    const found = (await breaking(contract, current)).map((text) => text.replaceAll('"', "'"));
    assert.ok(found.some((text) => message.test(text)), `${message} is not in ${JSON.stringify(found)}`);
  }
});

// --- how it reads

const eslint = new ESLint({ cwd: fileURLToPath(new URL('.', import.meta.url)) });

/** Findings as `rule: the line it names`. */
async function findings(sdl) {
  const [{ messages }] = await eslint.lintText(sdl, { filePath: 'schema.graphql' });
  const lines = sdl.split('\n');
  return messages.map(({ ruleId, line, message }) => `${ruleId?.replace('@graphql-eslint/', '') ?? message}: ${lines[line - 1]?.trim()}`);
}

test('the linter finds nothing but what was argued', async () => {
  assert.deepEqual((await findings(contract)).sort(), [...accepted].sort());
});

test('the linter finds what is wrong', async () => {
  for (const [sdl, found] of [
    [`${contract}\ntype Silent { id: ID! }`, 'require-description: type Silent { id: ID! }'],
    [`${contract}\n"Lost."\ntype Lost { id: ID! }`, 'no-unreachable-types: type Lost { id: ID! }'],
    [changed('type Availability implements Node {', 'type Availability implements Node {\nGood_Name: Int'), 'naming-convention: Good_Name: Int'],
    [changed('\tstartCursor: String', '\tbegin: String'), 'relay-page-info: type PageInfo {'],
  ]) {
    assert.ok((await findings(sdl)).includes(found), found);
  }
});

// --- a gateway

const NEIGHBOUR = `
  type Query { reviews(eventId: ID!): [Review!]! }
  type Review { id: ID! stars: Int! }
`;

function compose(neighbour) {
  return composeServices([
    { name: 'boxoffice', typeDefs: parse(contract), url: 'http://boxoffice/graphql' },
    { name: 'reviews', typeDefs: parse(neighbour), url: 'http://reviews/graphql' },
  ]);
}

test('it composes with another subgraph', () => {
  const { errors, supergraphSdl } = compose(NEIGHBOUR);
  assert.deepEqual(errors?.map(String) ?? [], []);
  for (const type of ['type Event ', 'type Review ', 'type Subscription']) assert.ok(supergraphSdl.includes(type), type);
});

test('a subgraph that says otherwise does not compose', () => {
  const { errors } = compose(`${NEIGHBOUR} type Money { amount: Int! }`);
  assert.match(String(errors), /Money\.amount/);
});
