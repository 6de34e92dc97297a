// Chromium for these tests, and a page that is looked at while it is used: whatever it reports as an error, and whatever it asks of
// another machine, fails the test. Chromium is BOXOFFICE_CHROMIUM, or the first `chromium` or `google-chrome` on the PATH.
// Not here: starting Boxoffice (../clients/harness.mjs), what is done on the page (*.test.mjs).
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { PATIENCE } from '../clients/harness.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

function executable() {
  const paths = process.env.PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const found = process.env.BOXOFFICE_CHROMIUM ?? paths.find(existsSync);
  assert.ok(found, 'there is no Chromium. fix: install chromium, or set BOXOFFICE_CHROMIUM');
  return found;
}

/** A browser that cannot leave this machine. */
export function openBrowser() {
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
  const alone = ['--disable-quic', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];
  return chromium.launch({ executablePath: executable(), args: ['--headless', '--no-sandbox', '--disable-gpu', ...quiet, ...alone] });
}

/** Does something on a fresh page, in a profile of its own; `expected` are the errors that belong to the scene. */
export async function onPage(browser, { expected = [], ...options }, scene) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, locale: 'en-GB', timezoneId: 'UTC', ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const problems = [];
  // A browser says this when a pong or `complete` crosses a close on its way; nothing is lost by it, and no page can avoid it.
  expected = [...expected, /WebSocket is already in CLOSING or CLOSED state/];
  const complain = (text) => expected.some((pattern) => pattern.test(text)) || problems.push(text);
  page.on('pageerror', (error) => complain(`uncaught: ${error.stack}`));
  page.on('console', (message) => {
    const { url } = message.location();
    if (['error', 'warning'].includes(message.type())) complain(`${message.type()}: ${message.text()} (${url})`);
  });
  const inspect = (url) => ['127.0.0.1', ''].includes(new URL(url).hostname) || complain(`it asked ${url}`); // data: has no host
  context.on('request', (request) => inspect(request.url()));
  page.on('websocket', (socket) => inspect(socket.url()));
  try {
    await scene(page);
    assert.deepEqual(problems, []);
  } catch (error) {
    if (problems.length) error.message += `\nthe page reported:\n${problems.join('\n')}`;
    throw error;
  } finally {
    await context.close();
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe calls critical or serious inside an element. */
export async function flaws(page, selector) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate((selector) => globalThis.axe.run(selector), selector);
  assert.ok(passes.length > 5, 'axe looked at next to nothing');
  const grave = violations.filter(({ impact }) => impact === 'critical' || impact === 'serious');
  return grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}
