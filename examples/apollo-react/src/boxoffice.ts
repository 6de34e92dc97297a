// Apollo client for queries, mutations and live notices, which resume after a lost connection.
// README: begin
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { useQuery, useSubscription } from '@apollo/client/react';
import { cacheOptions, resubscribeLink, resumeLink } from 'boxoffice-client/apollo'; // clients/js
import { keepRenewed } from 'boxoffice-client/socket';
import { createClient } from 'graphql-ws';
import { type NoticeLineFragment, NoticeReceivedDocument, NoticesDocument } from './generated';
import { authorization, session } from './session';

// `authorization` resolves to the header of the signed-in user, and exchanges the refresh token in time (session.ts).
const http = new SetContextLink(async () => ({ headers: await authorization() })).concat(new HttpLink({ uri: '/graphql' }));
const socket = createClient({
  url: '/graphql/ws',
  connectionParams: authorization,
  retryAttempts: Infinity, shouldRetry: () => true,
  on: { connected: keepRenewed(authorization, () => session.tokens?.expiresAt), closed: (event) => { session.doubted ||= (event as CloseEvent).code === 4403 } },
});
// After a lost connection the socket subscribes again, with the cursor of the last message.
const live = resubscribeLink(() => !!session.tokens).concat(resumeLink()).concat(new GraphQLWsLink(socket));
const link = ApolloLink.split(({ operationType }) => operationType === 'subscription', live, http);
export const client = new ApolloClient({ link, cache: new InMemoryCache(cacheOptions) });

/** Returns the newest notices and adds each later one, exactly once. */
export function useNotices() {
  const { data, refetch } = useQuery(NoticesDocument, { fetchPolicy: 'network-only' });
  useSubscription(NoticeReceivedDocument, {
    variables: { after: data?.notices?.streamCursor }, // the end of that list
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
