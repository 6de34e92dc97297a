// Writes schema.js and introspection.js from the API's contract, ../../schema.graphql. `--check` fails if one is stale.
// Not here: the caches that use them (apollo.js, urql.js). Run it where `graphql` is installed: node ../../clients/js/generate.mjs in tests/clients.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { buildSchema, introspectionFromSchema, isInterfaceType, isObjectType, isScalarType, isSpecifiedScalarType, getNamedType } =
  createRequire(join(process.cwd(), 'package.json'))('graphql');
const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));
const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];

const objects = types.filter((type) => isObjectType(type) && !roots.includes(type));
const keyless = objects.filter((type) => !type.getFields().id).map(({ name }) => name).sort();
const values = keyless.filter((name) => !/(Connection|Edge|Payload|Error|Update|PageInfo)$/.test(name));
const possibleTypes = Object.fromEntries(
  types.filter(isInterfaceType).map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name).sort()]),
);
const scalars = Object.fromEntries(types.filter((type) => isScalarType(type) && !isSpecifiedScalarType(type)).map(({ name }) => [name, 'string']));
const connections = {};
for (const type of [...objects, ...roots]) {
  for (const { name, type: of, args } of Object.values(type.getFields())) {
    if (!getNamedType(of).name.endsWith('Connection')) continue;
    // Pages of one list differ in paging arguments only.
    const keyArgs = args.map(({ name }) => name).filter((name) => name !== 'after' && name !== 'before');
    (connections[type.name] ??= {})[name] = keyArgs.sort();
  }
}

// The minimum that graphcache needs: kinds, names, types of fields.
const slimType = ({ kind, name, ofType }) => (ofType ? { kind, ofType: slimType(ofType) } : { kind, name });
const { __schema } = introspectionFromSchema(schema, { descriptions: false });
const slim = ({ kind, name, fields, interfaces, possibleTypes }) => ({
  kind,
  name,
  ...(fields && { fields: fields.map(({ name, type }) => ({ name, type: slimType(type), args: [] })), interfaces: interfaces?.map(slimType) ?? [] }),
  ...(kind === 'INTERFACE' && { possibleTypes: possibleTypes.map(slimType) }),
});
const composite = __schema.types.filter(({ kind, name }) => ['OBJECT', 'INTERFACE'].includes(kind) && !name.startsWith('__'));
const { queryType, mutationType, subscriptionType } = __schema;
const name = ({ name }) => ({ name });
const introspection = {
  __schema: {
    queryType: name(queryType),
    mutationType: name(mutationType),
    subscriptionType: name(subscriptionType),
    types: [...composite.map(slim), { kind: 'SCALAR', name: 'Any' }],
    directives: [],
  },
};

const head = '// Written by generate.mjs from schema.graphql. Not here: anything written by hand.\n';
const json = (value) => JSON.stringify(value, null, 2);
const facts = { possibleTypes, connections, values, keyless, scalars };
const files = {
  'schema.js': head + Object.entries(facts).map(([name, value]) => `export const ${name} = ${json(value)};\n`).join(''),
  'introspection.js': `${head}export default ${JSON.stringify(introspection)};\n`,
};
for (const [file, text] of Object.entries(files)) {
  const url = new URL(file, import.meta.url);
  if (!process.argv.includes('--check')) writeFileSync(url, text);
  else if (text !== readFileSync(url, 'utf8')) throw new Error(`clients/js/${file} is stale. fix: node ../../clients/js/generate.mjs in tests/clients`);
}
