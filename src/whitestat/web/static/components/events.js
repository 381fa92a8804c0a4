// Recent events, and the sentence of each.

import { ago } from "../lib/format.js";
import { html } from "../lib/html.js";

const EVENTS_SHOWN = 5;

export function Events({ events, at }) {
  if (!events.length) return null;
  return html`<section class="card events" aria-labelledby="events">
    <h2 id="events">Recent events</h2>
    <ul>${events.slice(0, EVENTS_SHOWN).map((event) => html`<li key=${event.id}><bdi>${sentence(event)}</bdi> <time datetime=${event.at} title=${event.at}>${ago(event.at, at)}</time></li>`)}</ul>
  </section>`;
}

export function sentence({ kind, title, device, content }) {
  if (content.text) return content.text; // Warnings come with their own sentence.
  const name = content.name || `device ${device}`;
  if (kind === "new-address")
    return `${name} is new and probably the same device as ${content.of_name || `device ${content.of}`} (${content.percent}\u00a0% sure)`;
  if (kind === "merged") return `${name} was recognised as a known device and merged with it`;
  return content.name || device ? `${title}: ${name}` : title;
}
