// How an application with Apollo Client resumes streams; what the example does, in its src/boxoffice.ts.
// Not here: clients (apollo.test.mjs, streams.test.mjs).
import { ApolloLink } from '@apollo/client';
import { tap } from 'rxjs';

/** In front of what reconnects: `after` is read whenever it subscribes. */
export const resumed = new ApolloLink((operation, forward) => {
  let { after } = operation.variables;
  operation.variables = {
    ...operation.variables,
    get after() {
      return after;
    },
  };
  return forward(operation).pipe(tap(({ data }) => (after = data?.noticeReceived?.cursor ?? after)));
});
