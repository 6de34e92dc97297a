import { useMutation, useQuery, useSubscription } from '@apollo/client/react';
import { type FormEvent, useEffect, useState } from 'react';
import { useNotices } from './boxoffice';
import { AvailabilityChangedDocument, BookDocument, EventsDocument, SignInDocument } from './generated';
import { session } from './session';

export function App() {
  const [name, setName] = useState<string | null>(null);
  useEffect(() => {
    session.ended = () => setName(null);
  }, []);
  return (
    <>
      <h1>Boxoffice</h1>
      {name ? <Notices name={name} /> : <SignIn onSignIn={setName} />}
      <Events canBook={name !== null} />
    </>
  );
}

function SignIn({ onSignIn }: { onSignIn: (name: string) => void }) {
  const [signIn, { data, error, loading }] = useMutation(SignInDocument, { errorPolicy: 'all' });
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    session.tokens = null; // an expired token would be refused before the sign-in is read
    const input = { email: String(form.get('email')), password: String(form.get('password')) };
    const { token, viewer } = (await signIn({ variables: { input } })).data?.signIn ?? {};
    if (!token || !viewer) return;
    session.tokens = token;
    onSignIn(viewer.name);
  };
  return (
    <form onSubmit={submit}>
      <label>E-mail <input name="email" type="email" autoComplete="username" required /></label>
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>
      <button disabled={loading}>Sign in</button>
      <p role="alert">{error?.message ?? data?.signIn?.userErrors[0]?.message}</p>
    </form>
  );
}

function Events({ canBook }: { canBook: boolean }) {
  const { data, error } = useQuery(EventsDocument);
  const eventIds = data?.events?.nodes.map(({ id }) => id) ?? [];
  useSubscription(AvailabilityChangedDocument, { variables: { eventIds }, skip: !canBook || !eventIds.length }); // the cache merges it
  const [book, booking] = useMutation(BookDocument, { errorPolicy: 'all' });
  const order = (eventId: string) =>
    book({ variables: { input: { eventId, quantity: 1, fulfilment: 'PARTIAL_AND_WAITLIST', idempotencyKey: crypto.randomUUID() } } });
  const { message, userErrors } = booking.data?.createBooking ?? {};
  return (
    <section>
      <h2>Events</h2>
      <p role="status">{error?.message ?? booking.error?.message ?? message ?? userErrors?.[0]?.message}</p>
      <ul>
        {data?.events?.nodes.map(({ id, title, venue, timeText, price, availability }) => (
          <li key={id}>
            <strong>{title}</strong>, {venue}, {timeText}
            {price && `, ${price.amount} ${price.currency}`}: {availability?.available} left, {availability?.waiting} waiting{' '}
            {canBook && <button onClick={() => order(id)} disabled={booking.loading}>Book {title}</button>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Notices({ name }: { name: string }) {
  const notices = useNotices();
  return (
    <section>
      <h2>Notices for {name}</h2>
      <ol role="log" aria-label="Notices">
        {notices.map(({ id, text, occurredAt }) => (
          <li key={id}><time dateTime={occurredAt}>{new Date(occurredAt).toLocaleTimeString()}</time> {text}</li>
        ))}
      </ol>
    </section>
  );
}
