// Builds the GraphiQL page into dist/, which is committed and embedded in the binary: every file gzip-compressed, nothing else.
// The same lock file gives the same bytes on every machine. `--check` builds in memory and fails if dist/ differs.
// Not here: the page itself (main.jsx), and serving it (src/http/assets.rs).
import { build } from 'esbuild';
import { gzipSync } from 'fflate';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');

// graphiql/style.css contains Monaco's styles already; the styles that Monaco's modules import would be a second copy.
const monacoStylesOnce = {
  name: 'monaco-styles-once',
  setup: ({ onLoad }) => onLoad({ filter: /[\\/]monaco-editor[\\/].*\.css$/ }, () => ({ contents: '', loader: 'css' })),
};

// graphql-language-service calls an input field required although it has a default, and then marks complete variables as wrong.
const optionalWithDefault = {
  name: 'optional-with-default',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]getVariablesJSONSchema\.js$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const contents = source.replace(
        'const required = isNonNullType(type);',
        'const required = isNonNullType(type) && !(isField && fieldOrType.defaultValue !== undefined);',
      );
      if (contents === source) throw new Error(`${path} has changed: see whether optional-with-default is still needed`);
      return { contents, loader: 'js' };
    }),
};

const result = await build({
  absWorkingDir: here,
  entryPoints: {
    graphiql: 'main.jsx',
    'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
    'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
    'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
  },
  outdir: dist,
  bundle: true,
  write: false,
  metafile: true,
  minify: true,
  format: 'esm',
  target: ['chrome111', 'firefox114', 'safari16.4'], // the first with module workers in all three
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  legalComments: 'none', // LICENSES.txt has them all
  plugins: [monacoStylesOnce, optionalWithDefault],
  logLevel: 'warning',
});

/** Name, version and licence texts of every package that went into the bundle. */
function licences(inputs) {
  const folders = new Set(Object.keys(inputs).map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]).filter(Boolean));
  const sections = [...folders].map((folder) => {
    const { name, version, license, repository } = JSON.parse(readFileSync(join(here, folder, 'package.json'), 'utf8'));
    const texts = readdirSync(join(here, folder))
      .filter((file) => /^(licen[cs]e|copying|notice|thirdpartynotices)/i.test(file))
      .sort()
      .map((file) => readFileSync(join(here, folder, file), 'utf8').replaceAll('\r\n', '\n').trim());
    if (!texts.length) texts.push(`The package has no licence file; its source: ${repository?.url ?? repository}`);
    return [`${name} ${version} (${license})`, ...texts].join('\n\n');
  });
  return `The GraphiQL page contains these packages.\n\n${sections.sort().join(`\n\n${'-'.repeat(78)}\n\n`)}\n`;
}

const files = new Map(result.outputFiles.map(({ path, contents }) => [basename(path), contents]));
for (const name of ['index.html', 'favicon.svg']) files.set(name, readFileSync(join(here, name)));
files.set('LICENSES.txt', new TextEncoder().encode(licences(result.metafile.inputs)));

// fflate rather than node:zlib, whose output depends on the processor; mtime 0 leaves no trace of when it ran.
const packed = new Map([...files].map(([name, raw]) => [`${name}.gz`, gzipSync(raw, { level: 9, mtime: 0 })]));

if (process.argv.includes('--check')) {
  const present = existsSync(dist) ? readdirSync(dist) : [];
  const stale = [...packed].filter(([name, bytes]) => !present.includes(name) || !readFileSync(join(dist, name)).equals(bytes));
  const unknown = present.filter((name) => !packed.has(name));
  const wrong = [...stale.map(([name]) => name), ...unknown];
  if (wrong.length) {
    console.error(`web/graphiql/dist is not what the sources build: ${wrong.join(', ')}\nfix: npm ci && npm run build, then commit dist/`);
    process.exit(1);
  }
} else {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  for (const [name, bytes] of packed) writeFileSync(join(dist, name), bytes);
}

const size = (count) => `${(count / 1024).toFixed(0)} KiB`.padStart(10);
for (const [name, raw] of files) console.log(size(raw.length), size(packed.get(`${name}.gz`).length), ` ${name}`);
const total = (sizes) => sizes.reduce((sum, bytes) => sum + bytes.length, 0);
console.log(size(total([...files.values()])), size(total([...packed.values()])), '  total, raw and gzip');
