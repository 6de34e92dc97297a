// The GraphiQL page at the widths of a small laptop and a phone: nothing hidden, nothing marked as wrong; and the picture of the README.
// Elsewhere: what its parts do (graphiql.test.mjs).
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBoxoffice } from '../clients/harness.mjs';
import { accepted } from '../clients/operations.mjs';
import { onPage, openBrowser } from './browser.mjs';
import { actAs, eventFilledIn, live, marks, notice, open, openTab, person, response, run, tabNames } from './graphiql.mjs';

let browser;
let demo;
let picture; // a demo of its own

before(async () => {
  browser = await openBrowser();
  demo = await openBoxoffice({ flags: ['--demo'] });
  picture = await openBoxoffice({ flags: ['--demo'] });
});

after(async () => {
  await browser?.close();
  await demo?.remove();
  await picture?.remove();
});

test('at 1280 px every tab is in sight, and nothing is marked as wrong in the ready variables', () =>
  onPage(browser, { viewport: { width: 1280, height: 800 } }, async (page) => {
    await open(page, demo);
    await actAs(page, 'Edsger');
    const names = await tabNames(page);
    assert.equal(names.length, 8);
    for (const [at, name] of names.entries()) {
      const tab = page.locator('.graphiql-tab').nth(at);
      const isOnTop = (element) => {
        const { left, right, top, bottom } = element.getBoundingClientRect();
        return [left + 2, right - 2].every((x) => element.contains(document.elementFromPoint(x, (top + bottom) / 2)));
      };
      assert.ok(await tab.evaluate(isOnTop), `${name} is hidden`);
      await tab.getByText(name).click();
      await page.locator('.graphiql-query-editor').filter({ hasText: name }).waitFor();
      assert.deepEqual(await marks(page), [], name);
    }
    // The check sees a mark where there is one.
    await openTab(page, 'Book');
    await page.locator('.graphiql-editor-tool').filter({ hasText: '"quantity"' }).waitFor();
    await page.evaluate(() => {
      const variables = globalThis.__MONACO.editor.getModels().find(({ uri }) => uri.path.endsWith('variables.json'));
      variables.setValue('{ "input": { "quantity": "two" } }');
    });
    assert.deepEqual(await marks(page), ['Missing property "eventId".', 'Incorrect type. Expected one of integer, null.']);
  }));

test('at 390 px nothing is cut off, and a booking works by touch', () =>
  onPage(browser, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }, async (page) => {
    const fits = async () => assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
    await open(page, demo);
    await fits();
    await person(page, 'Edsger').tap();
    await live(page, 'Edsger');
    for (const [at, name] of (await tabNames(page)).entries()) {
      const { x, width } = await page.locator('.graphiql-tab').nth(at).boundingBox();
      assert.ok(x >= 0 && x + width <= 390, `${name} is cut off`);
    }
    await page.getByRole('tab', { name: 'Book', exact: true }).tap();
    await eventFilledIn(page);
    const { data } = await run(page, 'Book');
    const { reference } = accepted(data.createBooking).booking;
    await response(page, reference).scrollIntoViewIfNeeded();
    const { x, width, height } = await response(page, reference).boundingBox();
    assert.ok(x >= 0 && x + width <= 390 && height > 200, 'the response has room');
    await notice(page, `${reference} is confirmed`);
    await fits();
  }));

/** `BOXOFFICE_WRITE_SCREENSHOT=1 npm test` renews the picture of the README. */
test('the picture of the README', () =>
  onPage(browser, { viewport: { width: 1280, height: 800 } }, async (page) => {
    await open(page, picture);
    await actAs(page, 'Grace');
    await openTab(page, 'AskForMore');
    await eventFilledIn(page);
    const { data } = await run(page, 'AskForMore');
    await response(page, accepted(data.createBooking).booking.reference).waitFor();
    await notice(page, 'Rust Nation');
    const path = fileURLToPath(new URL('../../docs/graphiql.png', import.meta.url));
    if (process.env.BOXOFFICE_WRITE_SCREENSHOT) await page.screenshot({ path });
    const [width, height] = [16, 20].map((at) => readFileSync(path).readUInt32BE(at));
    assert.deepEqual([width, height], [1280, 800]);
    assert.ok(statSync(path).size < 300_000, 'a picture of this size slows the README down');
  }));
