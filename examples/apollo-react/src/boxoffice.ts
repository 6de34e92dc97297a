// One Apollo client for queries, mutations and live notices that survive a cut connection.
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { useQuery, useSubscription } from '@apollo/client/react';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { retry, tap, throwError, timer } from 'rxjs';
import { type NoticeLineFragment, NoticeReceivedDocument, NoticesDocument } from './generated';
import { authorization, keepRenewed, session } from './session';

// A socket that slept through the end of its token is told so and closed; subscriptions begin again with the next one.
const againWithNextToken = retry<ApolloLink.Result>({
  delay: (error) => {
    const isOver = CombinedGraphQLErrors.is(error) && error.errors[0]?.extensions?.code === 'UNAUTHENTICATED';
    return isOver && session.tokens ? timer(1_000) : throwError(() => error);
  },
});

// README: begin
// `authorization` answers with the header of whoever is signed in, and changes the refresh token in time (session.ts).
const http = new SetContextLink(async () => ({ headers: await authorization() })).concat(new HttpLink({ uri: '/graphql' }));
const socket = createClient({
  url: '/graphql/ws',
  connectionParams: authorization,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  on: { connected: keepRenewed, closed: (event) => { session.doubted ||= (event as CloseEvent).code === 4403 } },
});
// After a cut the socket subscribes again and reads `after` again: it is the cursor of the last message by then.
const resume = new ApolloLink((operation, forward) => {
  let { after } = operation.variables;
  operation.variables = { ...operation.variables, get after() { return after } };
  return forward(operation).pipe(tap(({ data }) => { after = data?.noticeReceived?.cursor ?? after }), againWithNextToken);
});
const live = resume.concat(new GraphQLWsLink(socket));
const link = ApolloLink.split(({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION, live, http);
export const client = new ApolloClient({ link, cache: new InMemoryCache() });

/** The newest notices, and each one that comes, exactly once. */
export function useNotices() {
  const { data, refetch } = useQuery(NoticesDocument, { fetchPolicy: 'network-only' });
  useSubscription(NoticeReceivedDocument, {
    variables: { after: data?.notices?.streamCursor }, // where that list ends
    skip: !data,
    onData: ({ data: { data } }) => (data?.noticeReceived.resync ? refetch() : remember(data?.noticeReceived.notice)),
  });
  return data?.notices?.nodes ?? [];
}
// README: end

function remember(notice?: NoticeLineFragment | null) {
  if (!notice) return;
  client.cache.updateQuery({ query: NoticesDocument }, (list) =>
    list?.notices && { ...list, notices: { ...list.notices, nodes: [notice, ...list.notices.nodes] } });
}
