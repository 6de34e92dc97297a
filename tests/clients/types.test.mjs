// TypeScript types of the operations these tests use, generated from schema.graphql, fit the way an application uses them (typed.ts).
// Not here: the example's own types, which are checked in and checked for drift with it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { codegen } from '@graphql-codegen/core';
import * as typedDocuments from '@graphql-codegen/typed-document-node';
import * as operationTypes from '@graphql-codegen/typescript-operations';
import { config } from 'boxoffice-client/codegen';
import { parse } from 'graphql';
import * as operations from './operations.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

const texts = Object.values(operations).filter((value) => typeof value === 'string');

const OPTIONS = ['--noEmit', '--strict', '--noUncheckedIndexedAccess', '--skipLibCheck', '--types', '', '--target', 'es2022', '--module', 'nodenext'];

test('generated types compile, and catch mistakes', async (context) => {
  const code = await codegen({
    filename: 'operations.ts',
    schema: parse(readFileSync(join(here, '../../schema.graphql'), 'utf8')),
    documents: texts.map((text) => ({ document: parse(text) })),
    plugins: [{ types: {} }, { documents: {} }],
    pluginMap: { types: operationTypes, documents: typedDocuments },
    config,
  });
  const folder = mkdtempSync(join(tmpdir(), 'boxoffice-types-test-'));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'operations.ts'), code);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  copyFileSync(join(here, 'typed.ts'), join(folder, 'typed.ts'));
  symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
  const { status, stdout } = spawnSync(join(here, 'node_modules/.bin/tsc'), [...OPTIONS, 'typed.ts'], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});
