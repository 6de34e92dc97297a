// A value that parts of the page share. It is kept outside React, because GraphiQL unmounts a panel while another one is open, and the
// acting account and its notices have to outlast that. Not here: the values themselves (session.js, feed.js).
import { useSyncExternalStore } from 'react';

/** A value with listeners. */
export function shared(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Returns its value in a component, which is rendered again when the value changes. */
export const useShared = ({ subscribe, get }) => useSyncExternalStore(subscribe, get);
