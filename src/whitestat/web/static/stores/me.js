// Who looks, and what he may: asked at the start and when the server refuses.

import { useEffect, useState } from "preact/hooks";
import { ask } from "../lib/api.js";
import { html } from "../lib/html.js";

const NOBODY = { name: null, role: null, can_edit: false };

// {name, role, can_edit, timezone, billing}; role is null until it is known.
export function useMe(phase) {
  const [me, set] = useState(NOBODY);
  const lost = phase === "lost";
  useEffect(() => {
    if (lost) return undefined;
    const look = () =>
      ask("api/v1/me").then(
        (found) => set(found),
        (fault) => fault.status === 401 && leave(),
      ); // Else the stream is lost as well, and tells when it is back.
    look();
    addEventListener("login", leave);
    addEventListener("refused", look);
    return () => {
      removeEventListener("login", leave);
      removeEventListener("refused", look);
    };
  }, [lost]);
  return me;
}

function leave() {
  location.assign("login");
}

export function Me({ me }) {
  if (me.role === null) return null;
  return html`<span class="me">
    ${me.role === "owner" && html`<a href="access">Accounts</a>`}
    ${me.name === null ? html`<a href="login">Log in</a>` : html`<a href="password">${me.name}</a><form method="post" action="logout"><button class="plain">Log out</button></form>`}
  </span>`;
}
