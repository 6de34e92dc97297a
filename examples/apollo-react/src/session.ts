// The signed-in session. An access token lasts 15 minutes; then the refresh token is exchanged for the next pair, until it is refused.
import { print } from 'graphql';
import { RefreshDocument, type TokensFragment } from './generated';

export const session = { tokens: null as TokensFragment | null, doubted: false, ended: () => {} };
let refreshing: Promise<void> | null = null;

/** Returns the `Authorization` header, with a token that is valid for at least half a minute. */
export async function authorization() {
  const isOver = session.tokens && Date.parse(session.tokens.expiresAt) < Date.now() + 30_000;
  if (session.tokens && (isOver || session.doubted)) await (refreshing ??= refresh(session.tokens).finally(() => (refreshing = null)));
  return session.tokens ? { authorization: `Bearer ${session.tokens.accessToken}` } : undefined;
}

async function refresh({ refreshToken }: TokensFragment) {
  const body = JSON.stringify({ query: print(RefreshDocument), variables: { refreshToken } });
  const answer = await fetch('/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { data, errors } = await answer.json();
  if (errors && errors[0].extensions.code !== 'UNAUTHENTICATED') throw new Error(errors[0].message); // the service is busy; the next request tries again
  Object.assign(session, { tokens: data?.refreshSession?.token ?? null, doubted: false });
  if (!session.tokens) session.ended();
}
