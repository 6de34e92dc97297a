import type { Exchange } from '@urql/core';
/** Goes before subscriptionExchange: when its client subscribes again, it sends the cursor of the last message. */
export declare const resumeExchange: Exchange;
/** Options for `cacheExchange(cacheOptions)` of @urql/exchange-graphcache. */
export declare const cacheOptions: { schema: any; keys: Record<string, () => null> };
