// Links to log in, to log out and to the accounts.

import { html } from "../lib/html.js";

export function AccountLinks({ me }) {
  if (me.role === null) return null;
  return html`<span class="me">
    ${me.role === "owner" && html`<a href="access">Accounts</a>`}
    ${me.name === null ? html`<a href="login">Log in</a>` : html`<a href="password">${me.name}</a><form method="post" action="logout"><button class="plain">Log out</button></form>`}
  </span>`;
}
