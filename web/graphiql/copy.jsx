// The two buttons that copy the operation of the open tab, as curl command and as Apollo hook, for the acting account.
// Not here: the texts (snippets.js).
import { ToolbarButton, useGraphiQL } from '@graphiql/react';
import { parse } from 'jsonc-parser';
import { useEffect, useState } from 'react';
import { HTTP_URL } from './api.js';
import { authorized } from './fetcher.js';
import { apolloHook, curl } from './snippets.js';

async function asCurl(tab, headers) {
  return curl(tab, new URL(HTTP_URL, location.href).href, await authorized(headers));
}

/** Returns the object written in an editor; GraphiQL accepts comments there, so they are accepted here. */
const objectIn = (editor) => parse(editor?.getValue() ?? '', [], { allowTrailingComma: true }) ?? {};

export function CopyButtons() {
  const editors = useGraphiQL(({ queryEditor, variableEditor, headerEditor, operationName }) => ({
    queryEditor,
    variableEditor,
    headerEditor,
    operationName,
  }));
  return (
    <>
      <CopyButton label="Copy as curl" make={asCurl} editors={editors}>
        <path d="m4 7 5 5-5 5M12 18h8" />
      </CopyButton>
      <CopyButton label="Copy as Apollo hook" make={apolloHook} editors={editors}>
        <path d="M6 20V11a6 6 0 0 1 12 0v3.5a3.5 3.5 0 0 1-7 0V13M6 4v1" />
      </CopyButton>
    </>
  );
}

function CopyButton({ label, make, editors, children }) {
  const [outcome, setOutcome] = useState(null); // of the last click, shown for a short time
  const { queryEditor, variableEditor, headerEditor, operationName } = editors;
  useEffect(() => {
    const timer = outcome && setTimeout(setOutcome, 4_000, null);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = async () => {
    try {
      if (!navigator.clipboard) throw new Error('browsers allow the clipboard on https and localhost only.');
      const tab = { query: queryEditor.getValue(), variables: objectIn(variableEditor), operationName };
      await navigator.clipboard.writeText(await make(tab, objectIn(headerEditor)));
      setOutcome({ copied: true, text: 'Copied' });
    } catch (error) {
      setOutcome({ copied: false, text: `Not copied: ${error.message}` });
    }
  };
  return (
    <>
      <ToolbarButton label={label} onClick={copy} disabled={!queryEditor}>
        <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
          {outcome ? <path d={outcome.copied ? 'm5 13 4 4L19 7' : 'M6 6l12 12M18 6 6 18'} /> : children}
        </svg>
      </ToolbarButton>
      <span className={outcome && !outcome.copied ? 'boxoffice-outcome' : 'boxoffice-unseen'} role="status">
        {outcome?.text}
      </span>
    </>
  );
}
