import type { ApolloLink, InMemoryCacheConfig, TypePolicies } from '@apollo/client';
/** Stands before the link that reconnects: when that subscribes again, it sends the cursor of the last message. */
export declare const resumeLink: () => ApolloLink;
/** Subscribes again after a socket was closed because its token had ended, as long as `isSignedIn()`. */
export declare const resubscribeLink: (isSignedIn: () => boolean) => ApolloLink;
/** Lists page with `fetchMore`; values without an id are merged into the object that has them. */
export declare const typePolicies: TypePolicies;
/** For `new InMemoryCache(cacheOptions)`. */
export declare const cacheOptions: InMemoryCacheConfig;
