// The acting account: the accounts that the page knows, the one that is signed in, and its token. Signing in uses the public mutation;
// there is no other way. Passwords and tokens are kept in memory only. A token lasts minutes, so it is renewed without asking the user.
// Not here: requests with the token (fetcher.js, feed.js), and the panel (acting-as.jsx).
import { ask } from './api.js';
import { shared } from './shared.js';

const SIGN_IN = `mutation SignIn($input: SignInInput!) {
  signIn(input: $input) { token { accessToken expiresAt } viewer { name role } userErrors { message } }
}`;

/** Time before its expiry at which a token is replaced: half its lifetime at most. */
const MARGIN = 30_000;

/** Key under which the address of the acting account is stored for a reload. */
const REMEMBERED = 'boxoffice:actingAs';

/** The accounts that can be chosen: `{ email, name, role, hint, password }`. */
export const people = shared([]);

/** The acting account (null: none), the account being signed in, and the last error. */
export const session = shared({ person: null, pending: null, problem: null });

let proof = { token: null, until: 0 };
let switching = Promise.resolve();
let renewal = null;
let turn = 0; // rises with each change of the acting account, so that a late answer for an earlier one is dropped

/** The API refuses this account or its password: a retry would not help. */
export class Refused extends Error {}

const same = (one, other) => one?.email.toLowerCase() === other?.email.toLowerCase();

/** Calls `react` with the acting account each time it changes. */
export function whenPersonChanges(react) {
  let known = session.get().person;
  session.subscribe(() => {
    const { person } = session.get();
    if (same(person, known)) return;
    known = person;
    react(person);
  });
}

/** Adds the accounts of the demo; the account that acted before a reload acts again. */
export function introduce(demo) {
  people.set(demo.people.map((person) => ({ ...person, password: demo.password })));
  const person = people.get().find(({ email }) => email === sessionStorage.getItem(REMEMBERED));
  if (person) actAs(person);
}

async function signIn({ email, password, name }) {
  if (!password) throw new Refused(`Sign in again as ${name}: the page does not keep passwords over a reload.`);
  const { data, errors, date } = await ask(SIGN_IN, { input: { email, password } });
  const { token, viewer, userErrors = [] } = data?.signIn ?? {};
  if (userErrors.length) throw new Refused(userErrors[0].message);
  if (!token) throw new Error(errors?.[0]?.message ?? 'The sign-in failed.');
  return { proof: proofOf(token, date), viewer };
}

/** Returns the time until which a token is used, by this machine's clock: the server's may differ. */
function proofOf({ accessToken, expiresAt }, date) {
  const life = Date.parse(expiresAt) - date;
  return { token: accessToken, until: Date.now() + life - Math.min(MARGIN, life / 2) };
}

function settle(person, newProof) {
  proof = newProof;
  if (person) remember(person);
  else sessionStorage.removeItem(REMEMBERED);
  session.set({ person, pending: null, problem: null });
}

function remember(person) {
  const known = people.get();
  const isKnown = known.some((one) => same(one, person));
  people.set(isKnown ? known.map((one) => (same(one, person) ? { ...one, ...person } : one)) : [...known, person]);
  sessionStorage.setItem(REMEMBERED, person.email);
}

/** Switches to this account, or to none with null. Returns whether that succeeded; of two calls the later one counts. */
export function actAs(person) {
  turn += 1;
  const mine = turn;
  const done = (async () => {
    if (!person) return settle(null, { token: null, until: 0 });
    session.set({ ...session.get(), pending: person, problem: null });
    const signedIn = await signIn(person);
    const { name, role } = signedIn.viewer;
    if (mine === turn) settle({ ...person, name, role }, signedIn.proof);
  })().then(
    () => true,
    (error) => {
      if (mine === turn) session.set({ ...session.get(), pending: null, problem: error.message });
      return false;
    },
  );
  switching = done;
  return done;
}

/** Switches to the account that an operation in a tab signed up or in. */
export function adopt(input, { token, viewer }, date = Date.now()) {
  turn += 1;
  const { email, password } = input;
  settle({ email, password, name: viewer?.name ?? email, role: viewer?.role ?? '' }, proofOf(token, date));
}

/** Returns the token to send; null without an acting account. A token that has expired, or that the API `refused`, is replaced first. */
export async function accessToken(refused) {
  await switching;
  const { person } = session.get();
  if (!person) return null;
  if (proof.until > Date.now() && proof.token !== refused) return proof.token;
  const mine = turn;
  if (renewal?.turn !== mine) renewal = renew(person, mine);
  await renewal.done;
  return mine === turn ? proof.token : accessToken();
}

function renew(person, mine) {
  const done = signIn(person)
    .then(
      (signedIn) => {
        if (mine === turn) proof = signedIn.proof;
      },
      (error) => {
        if (mine !== turn) return;
        session.set({ ...session.get(), problem: error.message });
        throw error;
      },
    )
    .finally(() => {
      if (renewal?.turn === mine) renewal = null;
    });
  return { turn: mine, done };
}
