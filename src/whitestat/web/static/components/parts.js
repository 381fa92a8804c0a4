// Small parts that every view is made of: cards with their states, share bars, figures, signs.

import { makerAndMac } from "../lib/devices.js";
import { capital, octets, share } from "../lib/format.js";
import { html } from "../lib/html.js";

export function Named({ name }) {
  const parts = makerAndMac(name);
  return parts
    ? html`<bdi class="made"><span>${parts[0]}</span><span> ${parts[1]}</span></bdi>`
    : html`<bdi>${name}</bdi>`;
}

// Shows the first of these that is so: a fault, waiting, nothing there, and else the content made of the data.
export function Answered({ answer, empty, children }) {
  const { data, fault, late, settled, again } = answer;
  if (fault && !data) return html`<${Fault} fault=${fault} again=${again} />`;
  if (!data)
    return html`<div class="waiting" role="status">${late ? html`<span class="spin" aria-hidden="true"></span>Loading\u2026` : ""}</div>`;
  const found = children(data);
  return html`<div class=${late ? "answered late" : "answered"} aria-busy=${settled ? undefined : "true"}>
    ${fault && html`<${Fault} fault=${fault} again=${again} />`}
    ${found ?? html`<p class="lone small">${empty}</p>`}
  </div>`;
}

// `children` says what failed.
export function Fault({ fault, again, children }) {
  return html`<p class="notice lost" role="alert"><${Sign} /><span><b>${children ?? "Could not load this."}</b> ${capital(fault.message)} <button type="button" class="plain" onClick=${again}>Try again</button></span></p>`;
}

export function Sign() {
  return html`<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1.5 15 14H1z" /><path d="M8 6v4m0 1.6v.4" /></svg>`;
}

export function Arrow({ way }) {
  const d = way === "in" ? "M5 1v8M1.5 5.5 5 9l3.5-3.5" : "M5 9V1M1.5 4.5 5 1l3.5 3.5";
  return html`<svg class=${`arrow ${way}`} viewBox="0 0 10 10" aria-hidden="true"><path d=${d} /></svg>`;
}

export function Figure({ parts: [figure, unit] }) {
  return html`<span class="figure">${figure}</span>${unit && html`${" "}<span class="unit">${unit}</span>`}`;
}

export function Ring({ ratio }) {
  const round = 2 * Math.PI * 15;
  return html`<svg class="ring" viewBox="0 0 36 36" aria-hidden="true">
    <circle cx="18" cy="18" r="15" />
    <circle class="part" cx="18" cy="18" r="15" stroke-dasharray=${`${Math.min(1, ratio) * round} ${round}`} transform="rotate(-90 18 18)" />
  </svg>`;
}

// The largest first, each with a bar of its share; `rows` are {key, name, octets, link}.
export function Shares({ rows, whole, label }) {
  return html`<ol class="shares" aria-label=${label}>${rows.map(
    (each) => html`<li key=${each.key} class=${each.nobody ? "nobody" : ""}>
    <span class="row">${each.link ? html`<a href=${each.link}><${Named} name=${each.name} /></a>` : html`<${Named} name=${each.name} />`}<span class="amount">${octets(each.octets)} <em>${share(each.octets, whole)}</em></span></span>
    <span class="bar" aria-hidden="true"><i class=${each.nobody ? "" : "in"} style=${{ width: `${whole ? (each.octets / whole) * 100 : 0}%` }}></i></span>
  </li>`,
  )}</ol>`;
}

export function Card({ title, name, more, children, tools, tone }) {
  return html`<section class=${`card block ${tone ?? ""}`} aria-labelledby=${`card-${name}`}>
    <header><h2 id=${`card-${name}`}>${title}</h2>${tools}${more && html`<a class="tool" href=${more[1]}>${more[0]}</a>`}</header>
    ${children}
  </section>`;
}

// What a choice of a few words looks like everywhere: radio buttons of one row.
export function Choice({ label, name, value, choices, onChoose }) {
  return html`<fieldset class="choice"><legend class="hidden">${label}</legend>
    ${choices.map(([key, text]) => html`<label key=${key}><input type="radio" name=${name} value=${key} checked=${value === key} onChange=${() => onChoose(key)} /><span>${text}</span></label>`)}
  </fieldset>`;
}
