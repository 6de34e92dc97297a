// Subscriptions that outlive the token of their socket.
import { ApolloLink, CombinedGraphQLErrors } from '@apollo/client';
import { retry, throwError, timer } from 'rxjs';
import { session } from './session';

// A socket that slept through the end of its token is told so and closed; subscriptions begin again with the next one.
const again = retry<ApolloLink.Result>({
  delay: (error) => {
    const isOver = CombinedGraphQLErrors.is(error) && error.errors[0]?.extensions?.code === 'UNAUTHENTICATED';
    return isOver && session.tokens ? timer(1_000) : throwError(() => error);
  },
});

export const againWithNextToken = new ApolloLink((operation, forward) => forward(operation).pipe(again));
