// A value that parts of the page share. It lives outside React, because GraphiQL takes a panel off the page while another one is open,
// and who acts and what they are told has to go on meanwhile.
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

/** Its value in a component, which is drawn again when it changes. */
export const useShared = ({ subscribe, get }) => useSyncExternalStore(subscribe, get);
