// Starts and stops the built binary for these tests: SQLite in a temporary folder, a port of its own, nothing of it left afterwards.
// The binary is BOXOFFICE_BIN, or target/debug/boxoffice. Not here: what is asked of it (operations.mjs) and by which client (*.test.mjs).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const binary = process.env.BOXOFFICE_BIN ?? fileURLToPath(new URL('../../target/debug/boxoffice', import.meta.url));

// Deadlines bound a wait that has gone wrong; no test measures time.
const START = 30_000;
const STOP = 20_000;
export const PATIENCE = 20_000;

/** The promise, or an error that says what was awaited in vain. */
export async function within(promise, what, milliseconds = PATIENCE) {
  const stop = new AbortController();
  const late = sleep(milliseconds, undefined, { signal: stop.signal }).then(
    () => assert.fail(`${what}: nothing within ${milliseconds / 1000} s`),
    () => {},
  );
  return Promise.race([promise, late]).finally(() => stop.abort());
}

/** A promise that the test keeps when it likes. */
export function promise() {
  let keep;
  const kept = new Promise((resolve) => (keep = resolve));
  return { kept, keep };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// Settings of the person who runs the tests must not reach the binary.
function cleanEnvironment() {
  const foreign = ([name]) => name.startsWith('BOXOFFICE_') || name === 'DATABASE_URL';
  return Object.fromEntries(Object.entries(process.env).filter((variable) => !foreign(variable)));
}

/**
 * A box office with its own data, which outlives `stop` so that it can be started again; `forget` takes the data away in between and
 * `remove` ends both. `flags` of `serve`; no demo by default. `env` on top of an environment without settings.
 */
export async function openBoxoffice({ flags = ['--no-demo'], env = {} } = {}) {
  assert.ok(existsSync(binary), `${binary} is missing. fix: cargo build, or set BOXOFFICE_BIN`);
  const data = mkdtempSync(join(tmpdir(), 'boxoffice-client-test-'));
  const address = `127.0.0.1:${await freePort()}`;
  const boxoffice = {
    origin: `http://${address}`,
    http: `http://${address}/graphql`,
    ws: `ws://${address}/graphql/ws`,
    log: () => log,
    start,
    stop,
    forget,
    remove,
    request,
  };
  let child;
  let log = '';
  let kept = 0;

  /** Puts what it logged where scripts/test looks through it; what is said to a person at a terminal is no log. */
  function keep() {
    const lines = log.slice(kept).split('\n').filter((line) => line.startsWith('{') || line.startsWith('20'));
    if (process.env.BOXOFFICE_TEST_LOG) appendFileSync(process.env.BOXOFFICE_TEST_LOG, lines.map((line) => `${line}\n`).join(''));
    kept = log.length;
  }

  async function start() {
    const arguments_ = ['serve', '--listen', address, '--data', data, ...flags];
    child = spawn(binary, arguments_, { env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text));
    child.ended = once(child, 'close'); // with its output complete
    const gone = child.ended.then(([code, signal]) => assert.fail(`it ended at once with ${signal ?? code}:\n${log}`));
    gone.catch(() => {}); // read by the race below; later endings are the business of `stop`
    child.ended.then(keep);
    await within(Promise.race([ready(), gone]), '/readyz', START).catch((error) => {
      child.kill('SIGKILL');
      throw new Error(`boxoffice did not start\n${log}`, { cause: error });
    });
  }

  async function ready() {
    while (child.exitCode === null) {
      const reply = await fetch(`http://${address}/readyz`).catch(() => null);
      await reply?.arrayBuffer();
      if (reply?.status === 200) return;
      await sleep(20); // nothing to listen to before it listens
    }
  }

  /** Asks it to stop and expects a clean end. */
  async function stop(signal = 'SIGTERM') {
    child.kill(signal);
    const [code, killer] = await within(child.ended, `an end after ${signal}`, STOP);
    assert.deepEqual({ code, killer }, { code: 0, killer: null }, `after ${signal}:\n${log}`);
  }

  /** Between `stop` and `start`: takes one file of its data away, or all of them. */
  function forget(file = '') {
    rmSync(join(data, file), { recursive: true });
  }

  /** For `after`: whatever happened in the test, no process stays. */
  async function remove() {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await child.ended;
    }
    rmSync(data, { recursive: true, force: true });
  }

  /** One operation over HTTP; its data, or an error that shows the reply. */
  async function request(query, variables, token) {
    const reply = await fetch(boxoffice.http, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await reply.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  process.once('exit', () => {
    child?.kill('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  });
  await start();
  return boxoffice;
}
