// The choice of a period, and which traffic is counted.

import { html } from "../lib/html.js";
import { moved, SPANS } from "../lib/span.js";
import { Choice } from "./parts.js";

const SCOPES = [
  ["wan", "Internet"],
  ["lan", "Home network"],
  ["all", "Both"],
];

// The scope that a query of the address names, the Internet where it names none.
export const scopeOf = (query) => (SCOPES.some(([key]) => key === query.scope) ? query.scope : "wan");

export function Scope({ scope, turn }) {
  return html`<${Choice} label="Which traffic" name="scope" value=${scope} choices=${SCOPES} onChoose=${(key) => turn({ scope: key })} />`;
}

export function Span({ kind, span, today, turn, kinds = SPANS }) {
  const shift = (way) => turn({ step: "", ...moved(kind, span, way) });
  const future = span.end.slice(0, 10) > today;
  const own = (name) => (event) => event.target.value && turn({ [name]: event.target.value });
  const choose = (each) =>
    turn({
      span: each,
      step: "",
      ...(each === "own" ? { at: "", ...span } : { at: future ? today : span.start.slice(0, 10), start: "", end: "" }),
    });
  return html`<div class="controls">
    <${Choice} label="Period" name="span" value=${kind} choices=${Object.entries(kinds)} onChoose=${choose} />
    <span class="steps">
      <button type="button" class="tool" aria-label="Previous period" onClick=${() => shift(-1)}>\u2039</button>
      <button type="button" class="tool" aria-label="Next period" disabled=${future} onClick=${() => shift(1)}>\u203a</button>
      <button type="button" class="tool" disabled=${future && kind !== "own"} onClick=${() => turn({ at: today, start: "", end: "", step: "" })}>Now</button>
    </span>
    ${kind === "own" && html`<label class="pick">From <input type="datetime-local" value=${whole(span.start)} onChange=${own("start")} /></label><label class="pick">To <input type="datetime-local" value=${whole(span.end)} onChange=${own("end")} /></label>`}
  </div>`;
}

const whole = (word) => (word.length > 10 ? word.slice(0, 16) : `${word}T00:00`);
