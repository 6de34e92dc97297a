// The GraphiQL page in a browser: acting as people of the demo, the ready operations, the live feed, what is copied, and a database
// without a demo. Not here: that the operations fit the schema (../clients/documents.test.mjs).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { parse, print } from 'graphql';
import { openGate } from '../clients/gate.mjs';
import { openBoxoffice } from '../clients/harness.mjs';
import { accepted, BOOK, NOTICES, order, signUp } from '../clients/operations.mjs';
import { flaws, onPage, openBrowser } from './browser.mjs';
import { actAs, eventFilledIn, live, notice, notices, open, openTab, panel, person, response, run, sentBy, tabNames } from './graphiql.mjs';

const SIGN_IN = 'mutation ($input: SignInInput!) { signIn(input: $input) { token { accessToken } } }';
const EVENT = 'query ($slug: String) { event(slug: $slug) { id } }';

let browser;
let demo;
let plain;

before(async () => {
  browser = await openBrowser();
  demo = await openBoxoffice({ flags: ['--demo'] });
  plain = await openBoxoffice();
});

after(async () => {
  await browser?.close();
  await demo?.remove();
  await plain?.remove();
});

/** A booking by somebody of the demo that the page knows nothing of. */
async function bookElsewhere(email, slug) {
  const { password } = await (await fetch(`${demo.origin}/graphiql/demo.json`)).json();
  const { signIn } = await demo.request(SIGN_IN, { input: { email, password } });
  const token = signIn.token.accessToken;
  const { event } = await demo.request(EVENT, { slug });
  const { createBooking } = await demo.request(BOOK, { input: order(event.id) }, token);
  return { reference: accepted(createBooking).booking.reference, token };
}

test('a customer books, changes tabs, and is told all the while', () =>
  onPage(browser, {}, async (page) => {
    await open(page, demo);
    await actAs(page, 'Grace');
    await openTab(page, 'Book');
    await eventFilledIn(page);
    const { data } = await run(page, 'Book');
    const { reference } = accepted(data.createBooking).booking;
    await response(page, reference).waitFor();
    await notice(page, `${reference} is confirmed`);

    await openTab(page, 'MyNotices');
    await page.locator('.graphiql-execute-button').click();
    await response(page, '"cursor"').waitFor();
    await openTab(page, 'Browse'); // ends the subscription of the tab, not the feed
    const second = await bookElsewhere('grace@demo.test', 'late-set');
    await notice(page, `${second.reference} is confirmed`);
    assert.match(await notices(page).first().innerText(), new RegExp(second.reference)); // the newest is on top

    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click(); // takes the panel off the page
    const third = await bookElsewhere('grace@demo.test', 'late-set');
    await page.getByRole('button', { name: 'Show Acting as' }).click();
    await notice(page, `${third.reference} is confirmed`);
    const { notices: list } = await demo.request(NOTICES, {}, third.token);
    assert.equal(await notices(page).count(), list.nodes.length); // nothing missing, nothing twice
  }));

test('every other ready operation does what its first line says', () =>
  onPage(browser, {}, async (page) => {
    await open(page, demo);
    assert.deepEqual(await tabNames(page), [
      'Browse',
      'Book',
      'AskForMore',
      'CreateEvent',
      'ChangeVenue',
      'MyNotices',
      'Forbidden',
      'Users',
    ]);
    const browse = await run(page, 'Browse');
    assert.ok(browse.data.events.nodes.length > 5);
    await response(page, 'Late Set').waitFor();

    await actAs(page, 'Grace');
    await openTab(page, 'AskForMore');
    await eventFilledIn(page);
    const more = accepted((await run(page, 'AskForMore')).data.createBooking);
    assert.equal(more.message, 'Booked 2 tickets. Remaining 8 tickets added to waitlist.');
    await notice(page, `${more.booking.reference} is confirmed`);
    await openTab(page, 'Forbidden');
    assert.equal((await run(page, 'Forbidden')).errors[0].extensions.code, 'FORBIDDEN');
    await response(page, 'FORBIDDEN').waitFor();

    await actAs(page, 'Root');
    await openTab(page, 'Users');
    assert.ok((await run(page, 'Users')).data.users.nodes.some(({ email }) => email === 'grace@demo.test'));

    await person(page, 'Nina').click();
    await actAs(page, 'Ada'); // of two clicks the later one counts
    await openTab(page, 'CreateEvent');
    const { event } = accepted((await run(page, 'CreateEvent', { ofSeveral: true })).data.createEvent);
    assert.equal(event.status, 'DRAFT');
    await page.locator('.graphiql-editor-tool').filter({ hasText: event.id }).waitFor();
    const published = accepted((await run(page, 'PublishEvent', { ofSeveral: true })).data.publishEvent);
    assert.deepEqual(published.event, { id: event.id, status: 'PUBLISHED' });
    await openTab(page, 'ChangeVenue');
    await eventFilledIn(page);
    assert.deepEqual(accepted((await run(page, 'ChangeVenue')).data.updateEvent).changed, ['VENUE']);

    await actAs(page, 'Grace');
    await notice(page, 'Hall B');
    await openTab(page, 'MyNotices'); // on a new socket, with the new token
    await page.locator('.graphiql-execute-button').click();
    await response(page, '"cursor"').waitFor();
    const { reference } = await bookElsewhere('grace@demo.test', 'late-set');
    await response(page, reference).waitFor();
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`the panel is open at the first visit, works by keyboard alone, and axe finds nothing grave in it, ${colorScheme}`, () =>
    onPage(browser, { colorScheme }, async (page) => {
      await open(page, demo);
      assert.equal(await person(page, 'Anonymous').getAttribute('aria-pressed'), 'true');
      assert.deepEqual(await flaws(page, '.boxoffice-panel'), []);
      const focused = () => page.evaluate(() => document.activeElement.innerText ?? '');
      for (let presses = 0; !(await focused()).startsWith('Edsger'); presses += 1) {
        assert.ok(presses < 20, 'Tab does not come to Edsger');
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
      await live(page, 'Edsger');
      assert.equal(await person(page, 'Edsger').getAttribute('aria-pressed'), 'true');
      await notice(page, 'Jazz on the Roof');
      assert.deepEqual(await flaws(page, '.boxoffice-panel'), []);
    }));
}

test('an access token that has ended, or is refused, is replaced without a word', () =>
  onPage(browser, { expected: [/status of 401/] }, async (page) => {
    const signIns = [];
    page.on('request', (request) => request.postData()?.includes('mutation SignIn') && signIns.push(request));
    await open(page, demo);
    await actAs(page, 'Kenji');
    await openTab(page, 'Forbidden');
    assert.equal(signIns.length, 1);

    await page.clock.setSystemTime(Date.now() + 16 * 60 * 1_000);
    accepted((await run(page, 'Forbidden')).data.createEvent);
    assert.equal(signIns.length, 2);

    const body = JSON.stringify({ errors: [{ message: 'no', extensions: { code: 'UNAUTHENTICATED' } }] });
    const refuse = (route) => (sentBy(route.request(), 'Forbidden') ? route.fulfill({ status: 401, body }) : route.continue());
    await page.route('**/graphql', refuse, { times: 1 });
    accepted((await run(page, 'Forbidden')).data.createEvent);
    assert.equal(signIns.length, 3);
  }));

test('a tab whose headers say Authorization is sent with that', () =>
  onPage(browser, { expected: [/status of 401/] }, async (page) => {
    await open(page, demo);
    await actAs(page, 'Grace');
    await page.getByRole('button', { name: 'Headers', exact: true }).click();
    await page.locator('.graphiql-editor-tool .monaco-editor').last().click();
    await page.keyboard.type('{"authorization": "Bearer of.no.token"');
    await page.locator('.graphiql-execute-button').click();
    await response(page, 'The access token is not valid').waitFor();
  }));

test('the operation is copied as curl command and as Apollo hook', () =>
  onPage(browser, { permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    const copied = async (label, beginning) => {
      await page.getByRole('button', { name: label }).click();
      await page.getByRole('status').filter({ hasText: 'Copied' }).last().waitFor({ state: 'attached' });
      const read = async (beginning) => (await navigator.clipboard.readText()).startsWith(beginning);
      await page.waitForFunction(read, beginning);
      return page.evaluate(() => navigator.clipboard.readText());
    };
    await open(page, demo);
    await actAs(page, 'Grace');
    await openTab(page, 'Book');
    await eventFilledIn(page);
    const command = await copied('Copy as curl', 'curl -s ');
    const { stdout } = await promisify(execFile)('sh', ['-c', command]);
    const { reference } = accepted(JSON.parse(stdout).data.createBooking).booking;
    await notice(page, `${reference} is confirmed`);

    const hook = await copied('Copy as Apollo hook', 'import ');
    const lines = hook.split('\n');
    assert.equal(lines[0], "import { gql } from '@apollo/client';");
    assert.equal(lines[1], "import { useMutation } from '@apollo/client/react';");
    const source = hook.replace(/^import .*$/gm, '').replace('export function useBook', 'return function useBook');
    const useBook = new Function('gql', 'useMutation', source)(String.raw, (document, options) => ({ document, options }));
    const { document, options } = useBook();
    assert.match(print(parse(document)), /^mutation Book\(\$input: CreateBookingInput!\) \{\n {2}createBooking/);
    assert.equal(options.variables.input.quantity, 2);

    await openTab(page, 'MyNotices');
    assert.match(await copied('Copy as Apollo hook', 'import '), /useSubscription\(MY_NOTICES/);
    await page.getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByText('Not copied: a subscription needs a WebSocket').waitFor();
  }));

test('without a demo: sign up, sell, sign in, book', () =>
  onPage(browser, {}, async (page) => {
    await open(page, plain);
    await panel(page).getByText('no demo accounts').waitFor();
    assert.deepEqual(await flaws(page, '.boxoffice-panel'), []);
    await openTab(page, 'SignUp');
    accepted((await run(page, 'SignUp')).data.signUp);
    await live(page, 'Ada');
    await openTab(page, 'CreateEvent');
    const { event } = accepted((await run(page, 'CreateEvent', { ofSeveral: true })).data.createEvent);
    await page.locator('.graphiql-editor-tool').filter({ hasText: event.id }).waitFor();
    accepted((await run(page, 'PublishEvent', { ofSeveral: true })).data.publishEvent);

    const email = 'grace@example.org';
    const signIn = async (password) => {
      await panel(page).getByLabel('E-mail').fill(email);
      await panel(page).getByLabel('Password').fill(password);
      await panel(page).getByRole('button', { name: 'Sign in' }).click();
    };
    await signUp(plain, 'CUSTOMER', email);
    await signIn('wrong horse battery');
    await panel(page).getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
    assert.equal(await person(page, 'Ada').getAttribute('aria-pressed'), 'true');
    await signIn('correct horse battery');
    await live(page, 'customer');
    await openTab(page, 'Book');
    await eventFilledIn(page);
    const { reference } = accepted((await run(page, 'Book')).data.createBooking).booking;
    await notice(page, `${reference} is confirmed`);
    await actAs(page, 'Ada'); // whoever signed in once is a click away
    await notice(page, reference);
  }));

test('a cut cable, another key, another database: the page goes on as the same person', async (t) => {
  const gate = await openGate(demo.origin);
  t.after(gate.remove);
  await onPage(browser, { expected: [/WebSocket/] }, async (page) => {
    await open(page, gate);
    await actAs(page, 'Grace');
    const before = await notices(page).count();
    const arrived = async (reference, more) => {
      await notice(page, reference);
      await live(page, 'Grace');
      assert.equal(await notices(page).count(), before + more);
    };

    gate.shut();
    await panel(page).getByText('connection lost').waitFor();
    await bookElsewhere('grace@demo.test', 'late-set');
    const missed = await bookElsewhere('grace@demo.test', 'late-set');
    gate.open();
    await arrived(missed.reference, 2);

    await demo.stop();
    await panel(page).getByText('connection lost').waitFor();
    demo.forget('secret.key'); // every token is worthless now
    await demo.start();
    await arrived((await bookElsewhere('grace@demo.test', 'late-set')).reference, 3);

    // A tab that the browser kept from a demo of another release gets the ids of this one.
    const { event } = await demo.request(EVENT, { slug: 'pottery-evening' });
    await openTab(page, 'Book');
    await page.waitForFunction((id) => localStorage.getItem('graphiql:tabState').includes(id), event.id);
    await page.evaluate((id) => {
      for (const [key, value] of Object.entries(localStorage)) localStorage.setItem(key, value.replaceAll(id, 'RXZlbnQ6earlier'));
    }, event.id);
    await demo.stop();
    demo.forget();
    await demo.start();
    await page.reload();
    await live(page, 'Grace'); // a reload does not forget who acts
    await page.locator('.graphiql-editor-tool').filter({ hasText: event.id }).waitFor();
    accepted((await run(page, 'Book')).data.createBooking);
  });
});
