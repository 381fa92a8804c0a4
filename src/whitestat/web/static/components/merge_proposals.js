// Questions whether two devices are one.

import { quoted } from "../lib/format.js";
import { html } from "../lib/html.js";

export function Proposals({ proposals, change, editable }) {
  const open = proposals.filter((each) => each.state === "open");
  return open.map((each) => {
    const [name, into] = [each.device.name ?? `device ${each.device.id}`, each.into.name ?? `device ${each.into.id}`];
    const answer = (word, said) => change("POST", `api/v1/proposals/${each.id}`, { answer: word }, said);
    return html`<section key=${each.id} class="card proposal" aria-labelledby=${`proposal-${each.id}`}>
      <h2 id=${`proposal-${each.id}`}>Is <bdi>${name}</bdi> the same device as <bdi>${into}</bdi>? <span class="count">${each.percent}\u00a0% sure</span></h2>
      <ul>${each.reasons.map((reason) => html`<li key=${reason}><bdi>${reason}</bdi></li>`)}</ul>
      ${
        editable &&
        html`<p>
        <button type="button" class="yes" onClick=${() => answer("confirm", `${quoted(name)} and ${quoted(into)} merged`)}>Yes, merge them</button>
        <button type="button" onClick=${() => answer("refuse", `${quoted(name)} and ${quoted(into)} kept separate`)}>No, keep them separate</button>
      </p>`
      }
    </section>`;
  });
}
