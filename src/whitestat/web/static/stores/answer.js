// An answer of the API for a component: loaded, loaded again, and the last one kept while the next is under way.

import { useCallback, useEffect, useState } from "preact/hooks";
import { request } from "../lib/api.js";

const LATE_MS = 200; // A faster answer needs no sign that it is under way.

// {data, fault, late, again} of a GET request, repeated every `every` milliseconds while the page is visible.
// `late` is true once the answer takes longer than 200 ms. A url of null requests nothing.
export function useAnswer(url, every = 0) {
  const [state, set] = useState({ url: null, data: null, fault: null, late: false });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((count) => count + 1), []);
  useEffect(() => {
    if (!url) return undefined;
    const stop = new AbortController();
    const late = setTimeout(() => set((old) => ({ ...old, late: true })), LATE_MS);
    request(url, { signal: stop.signal })
      .then((data) => set({ url, data, fault: null, late: false }))
      .catch(
        (fault) =>
          fault.name !== "AbortError" &&
          set((old) => ({ url, data: old.url === url ? old.data : null, fault, late: false })),
      )
      .finally(() => clearTimeout(late));
    return () => {
      clearTimeout(late);
      stop.abort();
    };
  }, [url, turn]);
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => document.hidden || again(), every);
    return () => clearInterval(timer);
  }, [every]);
  return { ...state, again, settled: state.url === url };
}
