// Whom the page acts as: the people it knows, who of them is signed in, and the token that proves it. Signing in is the public mutation;
// there is no other way in. Passwords and tokens are kept in memory only. A token lasts minutes, so it is asked for again without a word.
// Not here: what is sent with the token (fetcher.js, feed.js), how it looks (acting-as.jsx).
import { ask } from './api.js';
import { shared } from './shared.js';

const SIGN_IN = `mutation SignIn($input: SignInInput!) {
  signIn(input: $input) { token { accessToken expiresAt } viewer { name role } userErrors { message } }
}`;

/** How long before its end a token is given up: half its life at most. */
const MARGIN = 30_000;

/** Where a reload finds who acted; their address only. */
const REMEMBERED = 'boxoffice:actingAs';

/** The people who can be acted as: `{ email, name, role, hint, password }`. */
export const people = shared([]);

/** Who acts (null: nobody), who is being signed in, and what went wrong. */
export const session = shared({ person: null, pending: null, problem: null });

let proof = { token: null, until: 0 };
let switching = Promise.resolve();
let renewal = null;
let turn = 0; // rises whenever somebody else is to act, so that a late answer is not taken for theirs

/** The API knows this person no longer, or not with this password: asking again would not help. */
export class Refused extends Error {}

const same = (one, other) => one?.email.toLowerCase() === other?.email.toLowerCase();

/** Calls `react` with whoever acts from now on, each time that changes. */
export function whenPersonChanges(react) {
  let known = session.get().person;
  session.subscribe(() => {
    const { person } = session.get();
    if (same(person, known)) return;
    known = person;
    react(person);
  });
}

/** The demo's people; whoever acted before a reload acts again. */
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

/** Until when a token serves, by this machine's clock: the server's may be another. */
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

/** Acts as this person from now on, null being nobody. Says whether that worked; of two calls the later one counts. */
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

/** Acts as whoever signed up or in by an operation of their own. */
export function adopt(input, { token, viewer }, date = Date.now()) {
  turn += 1;
  const { email, password } = input;
  settle({ email, password, name: viewer?.name ?? email, role: viewer?.role ?? '' }, proofOf(token, date));
}

/** The token to send now; null when nobody acts. A token that has ended, or that the API `refused`, is replaced first. */
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
