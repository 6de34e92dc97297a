// urql: an exchange that resumes streams, and the options of graphcache.
// Not here: the exchange that connects (subscriptionExchange of @urql/core), and lists derived from the schema (schema.js).
import { makeOperation } from '@urql/core';
import { map, pipe, tap } from 'wonka';
import introspection from './introspection.js';
import { keyless } from './schema.js';
import { cursorOf, resumes, withCursor } from './stream.js';

/** Goes before subscriptionExchange: when its client subscribes again, it sends the cursor of the last message. */
export const resumeExchange =
  ({ forward }) =>
  (operations) => {
    const cursors = new Map();
    const resumed = (operation) => {
      const { key, kind, query, variables } = operation;
      if (kind === 'teardown') cursors.delete(key);
      if (kind !== 'subscription' || !resumes(query)) return operation;
      return makeOperation(kind, { ...operation, variables: withCursor(variables, () => cursors.get(key) ?? variables.after) }, operation.context);
    };
    const note = ({ operation, data }) => {
      const cursor = operation.kind === 'subscription' && cursorOf(data);
      if (cursor) cursors.set(operation.key, cursor);
    };
    return pipe(operations, map(resumed), forward, tap(note));
  };

/** Options for `cacheExchange(cacheOptions)` of @urql/exchange-graphcache. */
export const cacheOptions = {
  schema: introspection,
  keys: Object.fromEntries(keyless.map((type) => [type, () => null])),
};
