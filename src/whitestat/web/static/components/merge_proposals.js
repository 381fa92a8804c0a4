// Questions whether two devices are one.

import { quoted } from "../lib/format.js";
import { html } from "../lib/html.js";

export function Proposals({ proposals, change, editable }) {
  const open = proposals.filter((proposal) => proposal.state === "open");
  return open.map((proposal) => {
    const [name, into] = [
      proposal.device.name ?? `device ${proposal.device.id}`,
      proposal.into.name ?? `device ${proposal.into.id}`,
    ];
    const answer = (word, said) => change("POST", `api/v1/proposals/${proposal.id}`, { answer: word }, said);
    return html`<section key=${proposal.id} class="card proposal" aria-labelledby=${`proposal-${proposal.id}`}>
      <h2 id=${`proposal-${proposal.id}`}>Is <bdi>${name}</bdi> the same device as <bdi>${into}</bdi>? <span class="count">${proposal.percent}\u00a0% sure</span></h2>
      <ul>${proposal.reasons.map((reason) => html`<li key=${reason}><bdi>${reason}</bdi></li>`)}</ul>
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
