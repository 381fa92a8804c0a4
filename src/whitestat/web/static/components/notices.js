// What asks for an answer or is worth knowing: devices that are probably one, new devices, and the way back of an edit.

import { useEffect } from "preact/hooks";
import { ago, quoted } from "../lib/format.js";
import { html } from "../lib/html.js";

const SHOWN_MS = 20000;
const EVENTS_SHOWN = 5;

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

export function Events({ events, at }) {
  if (!events.length) return null;
  return html`<section class="card events" aria-labelledby="events">
    <h2 id="events">Recent events</h2>
    <ul>${events.slice(0, EVENTS_SHOWN).map((each) => html`<li key=${each.id}><bdi>${sentence(each)}</bdi> <time datetime=${each.at} title=${each.at}>${ago(each.at, at)}</time></li>`)}</ul>
  </section>`;
}

export function sentence({ kind, device, content }) {
  if (content.text) return content.text; // What watches writes its own sentences.
  const name = content.name || `device ${device}`;
  if (kind === "new-device") return `New device: ${name}`;
  if (kind === "new-address")
    return `${name} is new and probably the same device as ${content.of_name || `device ${content.of}`} (${content.percent}\u00a0% sure)`;
  if (kind === "merged") return `${name} was recognised as a known device and merged with it`;
  return `${kind.replaceAll("-", " ")}${content.name ? `: ${content.name}` : ""}`;
}

export function Toast({ toast, undo, close }) {
  useEffect(() => {
    if (!toast) return undefined;
    const timer = setTimeout(close, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast]);
  // The box is always there: screen readers tell what appears in it.
  return html`<div class="toasts" role=${toast?.failed ? "alert" : "status"}>
    ${
      toast &&
      html`<p class=${toast.failed ? "toast failed" : "toast"}>
      <bdi>${toast.text}</bdi>
      ${toast.edit && html`<button type="button" onClick=${() => undo(toast.edit)}>Undo</button>`}
      <button type="button" aria-label="Close" onClick=${close}>\u00d7</button>
    </p>`
    }
  </div>`;
}
