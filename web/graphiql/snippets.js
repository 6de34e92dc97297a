// The operation of a tab as text to paste elsewhere: a curl command, an Apollo Client hook. Pure functions.
// Not here: the buttons (copy.jsx).
import { OperationTypeNode, parse, print, separateOperations, stripIgnoredCharacters } from 'graphql';

/** Returns the operation with its fragments, and with those of the variables that it declares. */
export function pick({ query, variables, operationName }) {
  const document = parse(query);
  const byName = separateOperations(document);
  const name = operationName in byName ? operationName : Object.keys(byName)[0];
  const own = byName[name];
  const { operation, variableDefinitions } = own.definitions.find((definition) => definition.operation);
  const declared = variableDefinitions.map(({ variable }) => variable.name.value);
  const given = Object.entries(variables ?? {}).filter(([key]) => declared.includes(key));
  return { document: own, name, operation, variables: Object.fromEntries(given) };
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Returns a curl command for a POSIX shell. */
export function curl(tab, url, headers) {
  const { document, name, operation, variables } = pick(tab);
  if (operation === OperationTypeNode.SUBSCRIPTION) throw new Error('a subscription needs a WebSocket, which curl does not open.');
  const body = {
    query: stripIgnoredCharacters(print(document)),
    ...(name && { operationName: name }),
    ...(Object.keys(variables).length && { variables }),
  };
  const lines = Object.entries({ 'content-type': 'application/json', ...headers }).map(([key, value]) => `-H ${quoted(`${key}: ${value}`)}`);
  return [`curl -s ${quoted(url)}`, ...lines, `--data-raw ${quoted(JSON.stringify(body))}`].join(' \\\n  ');
}

const HOOKS = { query: 'useQuery', mutation: 'useMutation', subscription: 'useSubscription' };

/** Returns a hook for React and Apollo Client 4. */
export function apolloHook(tab) {
  const { document, name, operation, variables } = pick(tab);
  const hook = HOOKS[operation];
  const own = name || 'Operation';
  const constant = own.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
  const text = print(document).trim().replace(/[\\`]|\$\{/g, '\\$&');
  const options = Object.keys(variables).length ? `, {\n    variables: ${JSON.stringify(variables, null, 2).replaceAll('\n', '\n    ')},\n  }` : '';
  return `import { gql } from '@apollo/client';
import { ${hook} } from '@apollo/client/react';

const ${constant} = gql\`
${text.replace(/^(?=.)/gm, '  ')}
\`;

export function use${own[0].toUpperCase()}${own.slice(1)}() {
  return ${hook}(${constant}${options});
}
`;
}
