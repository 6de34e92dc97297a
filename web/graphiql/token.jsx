// The ticket button: writes the access token of the last sign-up or sign-in into the headers editor of the open tab, where everybody
// can see, change or remove it. Tokens are kept in memory only; what is in the headers editor GraphiQL stores, as its settings say.
import { ToolbarButton, useGraphiQL } from '@graphiql/react';
import { useSyncExternalStore } from 'react';

let token = null;
const listeners = new Set();

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function find(value) {
  if (typeof value !== 'object' || value === null) return null;
  if (typeof value.accessToken === 'string') return value.accessToken;
  for (const child of Object.values(value)) {
    const found = find(child);
    if (found) return found;
  }
  return null;
}

/** Remembers the access token of a reply, if there is one. */
export function noticeToken(reply) {
  const found = find(reply?.data?.signUp ?? reply?.data?.signIn);
  if (!found) return;
  token = found;
  for (const listener of listeners) listener();
}

// What the editor holds may be empty or unfinished; then it is replaced.
function headersIn(editor) {
  try {
    return Object(JSON.parse(editor.getValue()));
  } catch {
    return {};
  }
}

export function TokenButton() {
  const headerEditor = useGraphiQL((state) => state.headerEditor);
  const known = useSyncExternalStore(subscribe, () => token);
  const write = () => {
    const kept = Object.entries(headersIn(headerEditor)).filter(([name]) => name.toLowerCase() !== 'authorization');
    const headers = { ...Object.fromEntries(kept), Authorization: `Bearer ${known}` };
    headerEditor.setValue(JSON.stringify(headers, null, 2));
  };
  const label = known ? 'Use the token of the last sign-in in this tab' : 'Sign up or sign in first: this puts your token into the headers';
  return (
    <ToolbarButton label={label} onClick={write} disabled={!known || !headerEditor}>
      <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
        <path d="M3 7.5A1.5 1.5 0 0 1 4.5 6h15A1.5 1.5 0 0 1 21 7.5v2a2.5 2.5 0 0 0 0 5v2a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 16.5v-2a2.5 2.5 0 0 0 0-5z" />
        <path d="M14.5 8v8" strokeDasharray="2 2" />
      </svg>
    </ToolbarButton>
  );
}
