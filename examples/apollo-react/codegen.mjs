// Types of src/operations.graphql, from the API's contract into src/generated.ts. `--check` fails if that file is stale.
import { codegen } from '@graphql-codegen/core';
import * as typedDocuments from '@graphql-codegen/typed-document-node';
import * as operationTypes from '@graphql-codegen/typescript-operations';
import { config } from 'boxoffice-client/codegen';
import { parse } from 'graphql';
import { readFileSync, writeFileSync } from 'node:fs';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const filename = 'src/generated.ts';
const code = await codegen({
  filename,
  schema: parse(read('../../schema.graphql')),
  documents: [{ location: 'src/operations.graphql', document: parse(read('src/operations.graphql')) }],
  plugins: [{ types: {} }, { documents: {} }],
  pluginMap: { types: operationTypes, documents: typedDocuments },
  config,
});

if (!process.argv.includes('--check')) writeFileSync(new URL(filename, import.meta.url), code);
else if (code !== read(filename)) throw new Error(`${filename} is stale. fix: npm run codegen`);
