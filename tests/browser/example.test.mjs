// The starter in examples/apollo-react as a newcomer runs it: types are current, it builds, and in a browser it lists, signs in, books,
// shows notices live through a cut connection, and stays signed in. Not here: Apollo Client without React (../clients/apollo.test.mjs).
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openGate } from '../clients/gate.mjs';
import { openBoxoffice, within } from '../clients/harness.mjs';
import { accepted, BOOK, order, publishedEvent, signUp } from '../clients/operations.mjs';
import { onPage, openBrowser } from './browser.mjs';

const EXAMPLE = new URL('../../examples/apollo-react/', import.meta.url);
const SIGN_IN = 'mutation($input: SignInInput!) { signIn(input: $input) { token { accessToken } userErrors { code } } }';
const SIGN_OUT = 'mutation { signOutEverywhere(input: {}) { ended userErrors { code } } }';
const NOTICES = 'query { notices(first: 100) { nodes { text } } }';
const vite = fileURLToPath(new URL('node_modules/vite/bin/vite.js', EXAMPLE));

const inExample = (program, parameters) => promisify(execFile)(program, parameters, { cwd: EXAMPLE });

let boxoffice;
let browser;
let gate;
let preview;

before(async () => {
  browser = await openBrowser();
  boxoffice = await openBoxoffice();
  await inExample('npm', ['run', 'build']);
  // The page under test is a development build: only there do React and Apollo Client say what they do not like.
  const env = { ...process.env, NODE_ENV: 'development' };
  await promisify(execFile)(process.execPath, [vite, 'build', '--mode', 'development', '--outDir', 'dist-development'], { cwd: EXAMPLE, env });
  gate = await openGate(boxoffice.origin);
  preview = await servePreview(gate.origin);
});

after(async () => {
  await browser?.close();
  preview?.stop();
  gate?.remove();
  await boxoffice?.remove();
});

/** Vite serves what was built and passes on what belongs to the API. */
async function servePreview(api) {
  const probe = createServer().listen(0, '127.0.0.1');
  const { port } = await new Promise((resolve) => probe.once('listening', () => resolve(probe.address())));
  await new Promise((resolve) => probe.close(resolve));
  const parameters = [vite, 'preview', '--outDir', 'dist-development', '--host', '127.0.0.1', '--port', port, '--strictPort'].map(String);
  const child = spawn(process.execPath, parameters, { cwd: EXAMPLE, env: { ...process.env, BOXOFFICE_URL: api }, stdio: ['ignore', 'pipe', 'ignore'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const said = new Promise((resolve) => child.stdout.on('data', (text) => String(text).includes('127.0.0.1') && resolve()));
  await within(said, 'the address of the preview');
  return { origin: `http://127.0.0.1:${port}`, stop: () => child.kill('SIGKILL') };
}

const source = readdirSync(new URL('src/', EXAMPLE))
  .filter((name) => name !== 'generated.ts')
  .map((name) => readFileSync(new URL(`src/${name}`, EXAMPLE), 'utf8'));

test('it is short, and its generated types are current', async () => {
  assert.ok(source.join('').trimEnd().split('\n').length <= 200);
  await inExample(process.execPath, ['codegen.mjs', '--check']);
});

test('it lists, signs in, books, and tells live through a cut, a restart and new tokens: no gap, no duplicate', () =>
  onPage(browser, { expected: [/WebSocket/] }, async (page) => {
    const title = 'An evening with Ada';
    const eventId = await publishedEvent(boxoffice, await signUp(boxoffice, 'ORGANIZER'), 20);
    const email = 'grace@example.org';
    const customer = await signUp(boxoffice, 'CUSTOMER', email);
    const bookElsewhere = async () => {
      const { createBooking } = await boxoffice.request(BOOK, { input: order(eventId) }, customer.token);
      return accepted(createBooking).booking.reference;
    };
    const signInElsewhere = async () => {
      const input = { email, password: 'correct horse battery' };
      return accepted((await boxoffice.request(SIGN_IN, { input })).signIn).token.accessToken;
    };
    const log = page.getByRole('log', { name: 'Notices' });
    const notice = (text) => log.getByRole('listitem').filter({ hasText: text }).waitFor();
    const socketCloses = () => new Promise((resolve) => (closed = resolve));
    let closed;
    page.on('websocket', (socket) => socket.on('close', () => closed?.()));

    await page.goto(preview.origin);
    await page.getByRole('listitem').filter({ hasText: `${title}, Hall A` }).filter({ hasText: '20 left, 0 waiting' }).waitFor();
    const signIn = async (password) => {
      await page.getByLabel('E-mail').fill(email);
      await page.getByLabel('Password').fill(password);
      await page.getByRole('button', { name: 'Sign in' }).click();
    };
    await signIn('wrong horse battery');
    await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
    await signIn('correct horse battery');
    await page.getByRole('heading', { name: 'Notices for customer' }).waitFor();
    await page.getByRole('button', { name: `Book ${title}` }).click();
    await notice(`is confirmed: 1 ticket for ${title}`);
    await page.getByRole('listitem').filter({ hasText: '19 left' }).waitFor(); // from the reply, through the cache

    const cut = socketCloses();
    gate.shut();
    await within(cut, 'the cut');
    await bookElsewhere();
    const missed = await bookElsewhere();
    gate.open();
    await notice(missed);

    const stopped = socketCloses();
    await boxoffice.stop();
    await within(stopped, 'a closed socket');
    await boxoffice.start();
    await notice(await bookElsewhere());

    const shown = async () => (await log.getByRole('listitem').allInnerTexts()).map((text) => text.replace(/^[\d:]+ /, ''));
    const { notices } = await boxoffice.request(NOTICES, {}, customer.token);
    const all = notices.nodes.map(({ text }) => text);
    assert.deepEqual(await shown(), all);

    // No access token is good any more; whoever is signed in stays so without noticing.
    const away = socketCloses();
    await boxoffice.stop();
    await within(away, 'a socket closed again');
    boxoffice.forget('secret.key');
    await boxoffice.start();
    customer.token = await signInElsewhere();
    const later = await bookElsewhere();
    await notice(later);
    assert.equal(await page.getByLabel('E-mail').count(), 0);
    assert.equal((await shown()).length, all.length + 1);

    // The session ends: it is asked who is there.
    accepted((await boxoffice.request(SIGN_OUT, {}, customer.token)).signOutEverywhere);
    await page.getByLabel('E-mail').waitFor();
    await signIn('correct horse battery');
    await notice(later);
    assert.equal((await shown()).length, all.length + 1);
  }));
