import type { ApolloLink, InMemoryCacheConfig, TypePolicies } from '@apollo/client';
/** Goes before the link that reconnects: when that link subscribes again, it sends the cursor of the last message. */
export declare const resumeLink: () => ApolloLink;
/** Subscribes again after a socket was closed because its token had expired, as long as `isSignedIn()`. */
export declare const resubscribeLink: (isSignedIn: () => boolean) => ApolloLink;
/** Type policies: lists page with `fetchMore`; values without an id are merged into the object that contains them. */
export declare const typePolicies: TypePolicies;
/** Options for `new InMemoryCache(cacheOptions)`. */
export declare const cacheOptions: InMemoryCacheConfig;
