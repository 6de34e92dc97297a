// Apollo Client 4: a link that resumes streams, and the options of a cache that merges pages and values.
// Not here: the link that connects (GraphQLWsLink of @apollo/client), and lists derived from the schema (schema.js).
import { ApolloLink, CombinedGraphQLErrors } from '@apollo/client';
import { retry, tap, throwError, timer } from 'rxjs';
import { connections, possibleTypes, values } from './schema.js';
import { cursorOf, resumes, withCursor } from './stream.js';

/** Goes before the link that reconnects: when that link subscribes again, it sends the cursor of the last message. */
export const resumeLink = () =>
  new ApolloLink((operation, forward) => {
    if (!resumes(operation.query)) return forward(operation);
    let { after } = operation.variables;
    operation.variables = withCursor(operation.variables, () => after);
    return forward(operation).pipe(tap(({ data }) => (after = cursorOf(data) ?? after)));
  });

/** Subscribes again after a socket was closed because its token had expired, as long as `isSignedIn()`. */
export const resubscribeLink = (isSignedIn) => {
  const delay = (error) => {
    const isOver = CombinedGraphQLErrors.is(error) && error.errors[0]?.extensions?.code === 'UNAUTHENTICATED';
    return isOver && isSignedIn() ? timer(1_000) : throwError(() => error);
  };
  return new ApolloLink((operation, forward) => forward(operation).pipe(retry({ delay })));
};

/** Appends a page that was fetched with `after`, prepends one with `before`; any other page replaces the list. */
function merge(existing, incoming, { args }) {
  if (!existing || !incoming || !(args?.after || args?.before)) return incoming;
  const [first, last] = args.after ? [existing, incoming] : [incoming, existing];
  const merged = { ...existing, ...incoming };
  for (const list of ['nodes', 'edges']) {
    if (incoming[list]) merged[list] = [...(first[list] ?? []), ...(last[list] ?? [])];
  }
  if (incoming.pageInfo) {
    const { startCursor, hasPreviousPage } = first.pageInfo ?? {};
    const { endCursor, hasNextPage } = last.pageInfo ?? {};
    merged.pageInfo = { ...incoming.pageInfo, startCursor, hasPreviousPage, endCursor, hasNextPage };
  }
  return merged;
}

const pages = (fields) => Object.fromEntries(Object.entries(fields).map(([field, keyArgs]) => [field, { keyArgs, merge }]));

/** Type policies: lists page with `fetchMore`; values without an id are merged into the object that contains them. */
export const typePolicies = {
  ...Object.fromEntries(values.map((type) => [type, { keyFields: false, merge: true }])),
  ...Object.fromEntries(Object.entries(connections).map(([type, fields]) => [type, { fields: pages(fields) }])),
};

/** Options for `new InMemoryCache(cacheOptions)`. */
export const cacheOptions = { possibleTypes, typePolicies };
