// The GraphiQL page: GraphiQL with its documentation, history and explorer panels, our tabs and our ticket button, offline.
// Not here: transport (fetcher.js), the ready-made operations (operations.js), how the bundle is made (build.mjs).
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createRoot } from 'react-dom/client';
import { fetcherWith } from './fetcher.js';
import { tabs } from './operations.js';
import { noticeToken, TokenButton } from './token.jsx';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';

// Monaco asks for its workers by label; build.mjs puts each beside this file.
globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const name = label === 'json' || label === 'graphql' ? label : 'editor';
    return new Worker(new URL(`./${name}.worker.js`, import.meta.url), { type: 'module' });
  },
};

const fetcher = fetcherWith(noticeToken);
const plugins = [HISTORY_PLUGIN, explorerPlugin()];

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL fetcher={fetcher} plugins={plugins} defaultTabs={tabs} shouldPersistHeaders inputValueDeprecation schemaDescription>
    <GraphiQL.Logo>
      <span className="boxoffice-logo">Boxoffice</span>
    </GraphiQL.Logo>
    <GraphiQL.Toolbar>
      {({ prettify, merge, copy }) => (
        <>
          {prettify}
          {merge}
          {copy}
          <TokenButton />
        </>
      )}
    </GraphiQL.Toolbar>
  </GraphiQL>,
);
