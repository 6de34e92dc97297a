// The operations these tests use, and the few steps every scene begins with. All of them stand in schema.graphql.
// Not here: sending them (harness.mjs, *.test.mjs).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

const USER_ERRORS = 'userErrors { code message path }';

export const SIGN_UP = `mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) { token { accessToken } viewer { id } ${USER_ERRORS} }
}`;

export const CREATE_EVENT = `mutation CreateEvent($input: CreateEventInput!) {
  createEvent(input: $input) { event { id } ${USER_ERRORS} }
}`;

export const PUBLISH_EVENT = `mutation PublishEvent($input: EventInput!) {
  publishEvent(input: $input) { event { id } ${USER_ERRORS} }
}`;

export const EVENTS = `query Events { events(first: 20) { nodes { id title availability { available } } } }`;

export const BOOK = `mutation Book($input: CreateBookingInput!) {
  createBooking(input: $input) {
    booking { id reference status }
    waitlistEntry { id position quantity }
    ${USER_ERRORS}
  }
}`;

export const NOTICES = `query Notices { notices(first: 100) { nodes { id number kind } } }`;

export const NOTICE_RECEIVED = `subscription NoticeReceived($after: String) {
  noticeReceived(after: $after) { cursor resync notice { id number kind } }
}`;

/** The payload, after a look that nothing was refused. */
export function accepted(payload) {
  assert.deepEqual(payload.userErrors, []);
  return payload;
}

/** A new account and its access token; its password is `correct horse battery`. */
export async function signUp(boxoffice, role, email = `${randomUUID()}@example.org`) {
  const input = { email, password: 'correct horse battery', name: role.toLowerCase(), role };
  const { signUp } = await boxoffice.request(SIGN_UP, { input });
  const { token, viewer } = accepted(signUp);
  return { id: viewer.id, token: token.accessToken };
}

/** An event with this many tickets that is not on sale yet. */
export async function draftEvent(boxoffice, organizer, capacity) {
  const day = 24 * 60 * 60 * 1000;
  const startsAt = new Date(Date.now() + 30 * day);
  const input = {
    title: 'An evening with Ada',
    description: 'Analytical engines, live.',
    venue: 'Hall A',
    timeZone: 'Europe/London',
    startsAt: startsAt.toISOString(),
    endsAt: new Date(startsAt.getTime() + day / 12).toISOString(),
    capacity,
    price: '12.50',
    currency: 'GBP',
  };
  const { createEvent } = await boxoffice.request(CREATE_EVENT, { input }, organizer.token);
  return accepted(createEvent).event.id;
}

/** A published event with this many tickets. */
export async function publishedEvent(boxoffice, organizer, capacity) {
  const eventId = await draftEvent(boxoffice, organizer, capacity);
  const { publishEvent } = await boxoffice.request(PUBLISH_EVENT, { input: { eventId } }, organizer.token);
  accepted(publishEvent);
  return eventId;
}

/** The input of a booking that nobody asked for before. */
export function order(eventId, quantity = 1, fulfilment = 'ALL_OR_NOTHING') {
  return { eventId, quantity, fulfilment, idempotencyKey: randomUUID() };
}
