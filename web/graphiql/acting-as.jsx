// The panel "Acting as": one click signs in as an account; its notices appear below, live.
// Not here: signing in (session.js), and the notices (feed.js).
import { useId, useState } from 'react';
import { feed } from './feed.js';
import { actAs, people, session } from './session.js';
import { useShared } from './shared.js';

/** Returns the panel for GraphiQL; `demo` is true if there are accounts to choose from. */
export const actingAsPlugin = (demo) => ({
  title: 'Acting as',
  icon: () => (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <circle cx="12" cy="8" r="3.75" />
      <path d="M4.5 20a7.5 7.5 0 0 1 15 0" />
    </svg>
  ),
  content: () => <ActingAs demo={demo} />,
});

function ActingAs({ demo }) {
  const heading = useId();
  return (
    <section className="boxoffice-panel" aria-labelledby={heading}>
      <h2 id={heading}>Acting as</h2>
      <p>All tabs send their requests as this account, except tabs with an Authorization header of their own.</p>
      {demo || <p>This database has no demo accounts. Sign in below, or create an account in the tab SignUp.</p>}
      <People />
      <SignIn open={!demo} />
      <Feed />
    </section>
  );
}

function People() {
  const { person, pending, problem } = useShared(session);
  const known = useShared(people);
  return (
    <>
      <ul className="boxoffice-people" aria-label="Accounts">
        <Person name="Anonymous" hint="not signed in" acts={!person} onChoose={() => actAs(null)} />
        {known.map((one) => (
          <Person
            key={one.email}
            name={one.name}
            role={one.role.toLowerCase()}
            hint={one.hint ?? one.email}
            acts={person?.email === one.email}
            busy={pending?.email === one.email}
            onChoose={() => actAs(one)}
          />
        ))}
      </ul>
      <p role="alert" className="boxoffice-problem">
        {problem}
      </p>
    </>
  );
}

function Person({ name, role, hint, acts, busy, onChoose }) {
  return (
    <li>
      <button type="button" aria-pressed={acts} aria-busy={busy} onClick={onChoose}>
        <span className="boxoffice-name">{name}</span> <span className="boxoffice-role">{role}</span>
        <span className="boxoffice-hint">{busy ? 'signing in…' : hint}</span>
      </button>
    </li>
  );
}

function SignIn({ open }) {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const submit = async (event) => {
    event.preventDefault();
    if (await actAs({ email, password, name: email, role: '' })) setPassword('');
  };
  return (
    <details className="boxoffice-sign-in" open={open}>
      <summary>Sign in with another account</summary>
      <form onSubmit={submit}>
        <label>
          E-mail
          <input type="email" autoComplete="username" required value={email} onChange={(event) => setEmail(event.target.value)} />
        </label>
        <label>
          Password
          <input
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </label>
        <button type="submit" className="graphiql-button">
          Sign in
        </button>
      </form>
    </details>
  );
}

const STATES = {
  off: 'Choose an account to see its notices.',
  connecting: 'connecting…',
  live: 'live',
  reconnecting: 'connection lost, trying again…',
  refused: 'session ended, sign in again',
};

function Feed() {
  const heading = useId();
  const { person } = useShared(session);
  const { state, notices } = useShared(feed);
  return (
    <section className="boxoffice-feed" aria-labelledby={heading}>
      <h3 id={heading}>{person ? `Notices for ${person.name}` : 'Notices'}</h3>
      <p role="status" className="boxoffice-state" data-state={state}>
        {STATES[state]}
      </p>
      <div
        className="boxoffice-notices"
        role="log"
        aria-live="polite"
        aria-busy={state === 'connecting'} // earlier notices are shown, not read out
        aria-labelledby={heading}
        tabIndex={notices.length ? 0 : undefined} // it scrolls
      >
        <ol>
          {notices.map(({ number, text, occurredAt, changes }) => (
            <li key={number}>
              <time dateTime={occurredAt}>{moment(occurredAt)}</time> {text}
              {changes.map((change) => (
                <span key={change.field} className="boxoffice-change">
                  {change.old || 'nothing'} → {change.new || 'nothing'}
                </span>
              ))}
            </li>
          ))}
        </ol>
        {state === 'live' && !notices.length && <p>No notices yet. Book tickets in the tab Book.</p>}
      </div>
    </section>
  );
}

/** Returns the time of day, with day and year where they are not today's. */
function moment(text) {
  const [then, now] = [new Date(text), new Date()];
  const isToday = then.toDateString() === now.toDateString();
  const day = isToday ? { second: '2-digit' } : { day: 'numeric', month: 'short' };
  const year = then.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' };
  return then.toLocaleString(undefined, { ...year, ...day, hour: '2-digit', minute: '2-digit' });
}
