// Questions to the API: answers as they come, the last one kept while the next is under way.

import { useCallback, useEffect, useState } from "preact/hooks";

const LATE_MS = 200; // What is answered sooner needs no sign that it is under way.
const GONE = "WhiteStat does not answer. It may be restarting, or this device is offline.";

export const BASE = "api/v1/";

// The address of a question; parameters that are empty are left out. It is relative, as the page may lie below a path.
export function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = given
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":")}`)
    .join("&");
  // An empty `by` has a meaning of its own.
  const empty = parameters.by === "" ? `${query ? "&" : ""}by=` : "";
  return `${BASE}${path}${query || empty ? "?" : ""}${query}${empty}`;
}

// The JSON of an answer; throws an Error that says why there is none, with the `status`, 0 without any answer.
export async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw Object.assign(new Error(GONE), { status: 0 });
  }
  let content = null;
  try {
    content = await answer.json();
  } catch (fault) {
    if (fault.name === "AbortError") throw fault; // the view that asked has gone
    throw Object.assign(new Error(`WhiteStat sent an unreadable answer (status ${answer.status}).`), {
      status: answer.status,
    });
  }
  if (answer.status === 401) dispatchEvent(new Event("login"));
  if (!answer.ok && content.error) throw Object.assign(new Error(content.error.reason), { status: answer.status });
  return content;
}

// {data, fault, late, again} of a question, which is asked anew every so many milliseconds while the page is looked at.
// `late` is true once the answer takes longer than 200 ms. A url of null asks nothing.
export function useAnswer(url, every = 0) {
  const [state, set] = useState({ url: null, data: null, fault: null, late: false });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((each) => each + 1), []);
  useEffect(() => {
    if (!url) return undefined;
    const stop = new AbortController();
    const late = setTimeout(() => set((held) => ({ ...held, late: true })), LATE_MS);
    ask(url, { signal: stop.signal })
      .then((data) => set({ url, data, fault: null, late: false }))
      .catch(
        (fault) =>
          fault.name !== "AbortError" &&
          set((held) => ({ url, data: held.url === url ? held.data : null, fault, late: false })),
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
