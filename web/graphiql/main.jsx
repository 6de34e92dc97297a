// The GraphiQL page: GraphiQL with its documentation, history and explorer panels, our tabs, our panel and our copy buttons, offline.
// Not here: transport (fetcher.js), accounts (session.js, acting-as.jsx), their notices (feed.js), the ready operations
// (operations.js, events.js), the copied texts (snippets.js), the bundle (build.mjs).
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { useGraphiQL } from '@graphiql/react';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { actingAsPlugin } from './acting-as.jsx';
import { CopyButtons } from './copy.jsx';
import { EventIds, filled, findEvents, noticeEvent } from './events.js';
import { keepListening } from './feed.js';
import { fetcherWith } from './fetcher.js';
import { tabs } from './operations.js';
import { adopt, introduce } from './session.js';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';

// Monaco requests its workers by label; build.mjs writes each beside this file.
globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const name = label === 'json' || label === 'graphql' ? label : 'editor';
    return new Worker(new URL(`./${name}.worker.js`, import.meta.url), { type: 'module' });
  },
};

/** The accounts of the demo and their password; null without a demo. */
async function findDemo() {
  const reply = await fetch('/graphiql/demo.json');
  const demo = reply.ok ? await reply.json() : null;
  return demo?.people?.length ? demo : null;
}

/** Takes new accounts and new events from the replies. */
function onReply({ variables }, reply) {
  const signedIn = reply.data?.signUp ?? reply.data?.signIn;
  if (signedIn?.token?.accessToken && variables?.input?.email) adopt(variables.input, signedIn);
  noticeEvent(reply);
}

/** Wraps long lines, as the editor of the response does; ids are long. */
function WrapLines() {
  const editors = [useGraphiQL((state) => state.queryEditor), useGraphiQL((state) => state.variableEditor)];
  useEffect(() => {
    for (const editor of editors) editor?.updateOptions({ wordWrap: 'on' });
  }, editors);
  return null;
}

// If one of the two fails, the page still opens: without accounts or without ids.
const missing = (error) => console.warn('boxoffice:', error);
const [demo] = await Promise.all([findDemo().catch(missing), findEvents().catch(missing)]);

keepListening();
if (demo) introduce(demo);

const fetcher = fetcherWith(onReply);
const actingAs = actingAsPlugin(Boolean(demo));
const plugins = [actingAs, HISTORY_PLUGIN, explorerPlugin()];
const isFirstVisit = localStorage.getItem('graphiql:visiblePlugin') === null;

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    visiblePlugin={isFirstVisit ? actingAs : undefined}
    defaultTabs={tabs(demo, filled)}
    defaultEditorToolsVisibility="variables"
    inputValueDeprecation
    schemaDescription
  >
    <GraphiQL.Logo>
      <span className="boxoffice-logo">Boxoffice</span>
    </GraphiQL.Logo>
    <GraphiQL.Toolbar>
      {({ prettify, merge, copy }) => (
        <>
          {prettify}
          {merge}
          {copy}
          <CopyButtons />
        </>
      )}
    </GraphiQL.Toolbar>
    <EventIds />
    <WrapLines />
  </GraphiQL>,
);
