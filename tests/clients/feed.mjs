// A stream of notices as each client of these tests follows it, and the scene they all must pass: cut off anywhere, nothing is lost and
// nothing comes twice. Not here: any one client (*.test.mjs) and the cutting (gate.mjs).
import assert from 'node:assert/strict';
import { within } from './harness.mjs';
import { accepted, BOOK, NOTICES, order } from './operations.mjs';

/**
 * Follows notices. `begin` subscribes: it is given a sink for what arrives and variables whose `after` is always the last cursor that
 * did, and returns how to end it. Resolves once the opening message is there.
 */
export async function follow(begin) {
  const feed = { notices: [], openings: 0, error: null, changed: () => {}, until };
  let cursor = null;
  const variables = {
    get after() {
      return cursor;
    },
  };
  const sink = {
    /** A result: `errors` as the protocol has them, `error` as Apollo and urql hand them on. */
    next({ data, errors, error }) {
      const frame = data?.noticeReceived;
      if (errors || error) feed.error = error ?? errors;
      else if (frame.resync) feed.error = 'resync';
      else if (frame.notice) feed.notices.push(frame.notice);
      else feed.openings += 1;
      cursor = frame?.cursor ?? cursor;
      feed.changed();
    },
    error(error) {
      feed.error = error;
      feed.changed();
    },
    complete: () => feed.changed(),
  };
  /** Waits until the condition holds for what arrived so far. */
  async function until(condition, what) {
    const holds = new Promise((resolve, reject) => {
      feed.changed = () => (condition(feed) ? resolve() : feed.error && reject(feed.error));
      feed.changed();
    });
    await within(holds, what);
  }
  feed.end = begin(sink, variables);
  await until(({ openings }) => openings === 1, 'the opening message');
  return feed;
}

/** How many bookings it told to be confirmed. */
export const confirmed = ({ notices }) => notices.filter(({ kind }) => kind === 'BOOKING_CONFIRMED').length;

/** A booking of one ticket. */
export async function book(boxoffice, eventId, { token }) {
  return accepted((await boxoffice.request(BOOK, { input: order(eventId) }, token)).createBooking).booking;
}

/** Cuts a fresh feed off again and again while its person books. Every notice must arrive exactly once, in order. */
export async function survivesCuts({ boxoffice, gate, eventId, customer, feed, cuts = 3 }) {
  for (let cut = 1; cut <= cuts; cut += 1) {
    await book(boxoffice, eventId, customer);
    await feed.until((feed) => confirmed(feed) >= 2 * cut - 1, 'a notice while connected');
    gate.shut();
    await book(boxoffice, eventId, customer);
    gate.open();
    await feed.until((feed) => confirmed(feed) >= 2 * cut, 'the notice missed while cut off');
  }
  assert.equal(feed.openings, 1 + cuts);
  const numbers = feed.notices.map(({ number }) => number);
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => numbers[0] + index),
  );
  // The list, asked for afterwards and newest first, says the same.
  const { notices } = await boxoffice.request(NOTICES, {}, customer.token);
  assert.deepEqual(
    feed.notices.map(({ id }) => id),
    notices.nodes.map(({ id }) => id).reverse().slice(-feed.notices.length),
  );
}
