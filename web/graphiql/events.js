// Fills in the event of the ready operations (operations.js). Mutations take ids, and ids differ in every database, so
// `"eventId": ""` in the variables is replaced: with the event of the demo that suits the operation, else with the newest known event.
// Not here: the operations themselves (operations.js).
import { useGraphiQL } from '@graphiql/react';
import { useEffect } from 'react';
import { dataOf } from './api.js';
import { operations } from './operations.js';
import { shared, useShared } from './shared.js';

/** Ids that were filled in at the last visit, by slug. */
const FILLED = 'boxoffice:eventIds';

/** Known ids: `bySlug`, and `newest`, the event created last on this page, else one that is on sale. */
const known = shared({ bySlug: {}, newest: null });

/** Fetches the ids. Tabs that the browser stored with ids of another database get the new ones. */
export async function findEvents() {
  const slugs = [...new Set(operations.map(({ event }) => event).filter(Boolean))];
  const fields = slugs.map((slug, n) => `e${n}: event(slug: ${JSON.stringify(slug)}) { id }`);
  const data = await dataOf(`{ ${fields.join(' ')} events(first: 1) { nodes { id } } }`);
  const found = slugs.map((slug, n) => [slug, data[`e${n}`]?.id]).filter(([, id]) => id);
  const bySlug = Object.fromEntries(found);
  replaceInStoredTabs(JSON.parse(localStorage.getItem(FILLED) ?? '{}'), bySlug);
  localStorage.setItem(FILLED, JSON.stringify(bySlug));
  known.set({ bySlug, newest: data.events?.nodes[0]?.id ?? null });
}

function replaceInStoredTabs(before, now) {
  for (const key of ['graphiql:tabState', 'graphiql:variables']) {
    const stored = localStorage.getItem(key);
    if (!stored) continue;
    const renewed = Object.entries(before).reduce((text, [slug, id]) => text.replaceAll(id, now[slug] ?? id), stored);
    if (renewed !== stored) localStorage.setItem(key, renewed);
  }
}

let created = null;

/** Stores the id of an event that a reply created. */
export function noticeEvent({ data }) {
  const id = data?.createEvent?.event?.id;
  if (!id) return;
  known.set({ ...known.get(), newest: id, created: id, before: created });
  created = id;
}

/** Returns the variables with the event filled in, if it is empty. */
export function filled(variables, operationName, { bySlug, newest, created, before } = known.get()) {
  const operation = operations.find(({ name }) => name === operationName);
  const creates = operationName === 'CreateEvent' || operationName === 'PublishEvent';
  const id = creates ? created : (bySlug[operation?.event] ?? newest);
  if (!id) return variables;
  const open = variables.replace(/("eventId"\s*:\s*)""/g, `$1"${id}"`);
  return creates && before ? open.replaceAll(before, id) : open;
}

/** Fills in the open tab. */
export function EventIds() {
  const events = useShared(known);
  const editor = useGraphiQL((state) => state.variableEditor);
  const tab = useGraphiQL((state) => state.activeTabIndex);
  const operationName = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.operationName);
  useEffect(() => {
    if (!editor) return;
    const variables = editor.getValue();
    const full = filled(variables, operationName, events);
    if (full !== variables) editor.setValue(full);
  }, [editor, tab, operationName, events]);
  return null;
}
