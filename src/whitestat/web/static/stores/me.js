// The account in use and its rights: loaded at the start and when the server refuses.

import { useEffect, useState } from "preact/hooks";
import { address, request } from "../lib/api.js";

const UNKNOWN = { name: null, role: null, can_edit: false };

// {name, role, can_edit, timezone, billing}; role is null until it is known.
export function useMe(phase) {
  const [me, setMe] = useState(UNKNOWN);
  const lost = phase === "lost";
  useEffect(() => {
    if (lost) return undefined;
    // A 401 leads to the log-in; after another failure the stream is lost as well, and this runs again when it is back.
    const load = () => request(address("me")).then(setMe, () => null);
    load();
    addEventListener("login", logIn);
    addEventListener("refused", load);
    return () => {
      removeEventListener("login", logIn);
      removeEventListener("refused", load);
    };
  }, [lost]);
  return me;
}

function logIn() {
  location.assign("login");
}
