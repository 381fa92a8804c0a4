// The place in the page that the address names, followed as it changes.

import { useEffect, useState } from "preact/hooks";
import { read } from "../lib/route.js";

export function useRoute() {
  const [route, set] = useState(read);
  useEffect(() => {
    const follow = () => set(read());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}
