// Stacked bars, as a picture for eyes and a table for screen readers; a click or Enter on a bar leads into it.

import { useEffect, useState } from "preact/hooks";
import { octets } from "../lib/format.js";
import { html } from "../lib/html.js";
import { settings } from "../stores/settings.js";
import { Named } from "./parts.js";

const WIDE = 1000;
const HIGH = 260;
const STEPS = [1, 2, 2.5, 5, 10];

// `series` are {name, values, tone}, each with a value for each of `places` {label, whole}; `format` writes a value.
// `line` is drawn across at its value; `onPlace` is called with the number of a bar.
export function Bars({ title, series, places, format, onPlace, line, reference }) {
  const [over, setOver] = useState(null);
  // Other bars: the one that was looked at is not among them.
  useEffect(() => setOver(null), [places.length, places[0]?.whole]);
  const sums = places.map((_, at) => series.reduce((sum, each) => sum + (each.values[at] ?? 0), 0));
  const top = ceiling(
    Math.max(1, ...sums, line ?? 0, ...(reference?.values ?? []).map((each) => each ?? 0)),
    format === octets && settings.octets === "GiB" ? 1024 : 1000,
  );
  const wide = WIDE / Math.max(1, places.length);
  const gap = Math.min(wide * 0.22, 6);
  const y = (value) => HIGH - (value / top) * HIGH;
  const base = places.map(() => 0);
  const paths = series.map((each) => {
    let d = "";
    each.values.forEach((value, at) => {
      if (!value) return;
      const [low, high] = [y(base[at]), y(base[at] + value)];
      base[at] += value;
      d += `M${n(at * wide + gap / 2)},${n(low)}V${n(high)}H${n((at + 1) * wide - gap / 2)}V${n(low)}Z`;
    });
    return html`<path key=${each.name} class=${`fill ${each.tone}`} d=${d} />`;
  });
  const every = Math.ceil(places.length / 12);
  const some = Math.max(...sums, line ?? 0, ...(reference?.values ?? [])) > 0;
  const ticks = [1, 0.5, 0].map((part) => [part, part ? some && format(top * part) : "0"]);
  const shown = over !== null && places[over] ? over : null;
  const press = (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (way) {
      event.preventDefault();
      setOver(Math.max(0, Math.min(places.length - 1, (shown ?? (way > 0 ? -1 : places.length)) + way)));
    } else if ((event.key === "Enter" || event.key === " ") && shown !== null && onPlace) {
      event.preventDefault();
      onPlace(shown);
    }
  };
  const place = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const found = Math.floor(((event.clientX - box.left) / box.width) * places.length);
    return found >= 0 && found < places.length ? found : null;
  };
  return html`<figure class="chart">
    <div class="plot">
      <div class="scale" aria-hidden="true">${ticks.map(([part, text]) => html`<span key=${part} style=${{ bottom: `${part * 100}%` }}>${text}</span>`)}</div>
      <div class=${onPlace ? "area leads" : "area"} tabindex="0" role=${onPlace ? "button" : "group"}
        aria-label=${`${title}. ${shown === null ? "Use the left and right arrow keys to read each bar" : spoken(places[shown], sums[shown], series, shown, format)}${onPlace ? "; press Enter to open it" : ""}`}
        onKeyDown=${press} onBlur=${() => setOver(null)} onPointerMove=${(event) => setOver(place(event))} onPointerLeave=${() => setOver(null)}
        onClick=${(event) => onPlace && event.detail && place(event) !== null && onPlace(place(event))}>
        <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" aria-hidden="true">
          ${[0, 0.5].map((part) => html`<path key=${part} class="grid" d=${`M0,${n(HIGH * part + 0.5)}H${WIDE}`} />`)}
          ${places.map((each, at) => each.missed && html`<path key=${`missed ${at}`} class="missed" d=${hatched(at * wide + gap / 2, wide - gap)} />`)}
          ${shown !== null && html`<rect class="over" x=${n(shown * wide)} y="0" width=${n(wide)} height=${HIGH} />`}
          ${paths}
          ${reference && html`<path class="usual" d=${reference.values.map((value, at) => (value == null ? "" : `M${n(at * wide + gap / 2)},${n(y(value))}H${n((at + 1) * wide - gap / 2)}`)).join("")} />`}
          ${line > 0 && html`<path class="limit" d=${`M0,${n(y(line))}H${WIDE}`} />`}
        </svg>
        ${shown !== null && html`<${Tip} place=${places[shown]} sum=${sums[shown]} series=${series} at=${shown} of=${places.length} format=${format} reference=${reference} />`}
      </div>
      <div class="places" aria-hidden="true">${places.map((each, at) => html`<span key=${at} class=${(at / every) % 2 === 1 ? "second" : ""}>${at % every === 0 ? each.label : ""}</span>`)}</div>
    </div>
    <${Numbers} title=${title} series=${series} places=${places} sums=${sums} format=${format} reference=${reference} />
  </figure>`;
}

function Tip({ place, sum, series, at, of, format, reference }) {
  const some = series.filter((each) => each.values[at]);
  const left = (at + 0.5) / of;
  return html`<div class=${left > 0.5 ? "tip left" : "tip"} style=${left > 0.5 ? { right: `${(1 - left) * 100}%` } : { left: `${left * 100}%` }} role="presentation">
    <b>${place.whole}</b>
    ${some.slice(0, 10).map((each) => html`<span key=${each.name}><i class=${each.tone}></i><${Named} name=${each.name} /><em>${format(each.values[at])}</em></span>`)}
    ${place.missed && html`<span><i></i>Not watched</span>`}
    ${!place.missed && some.length !== 1 && html`<span class="sum"><i></i>Total<em>${format(sum)}</em></span>`}
    ${reference?.values[at] != null && html`<span><i></i>${reference.name}<em>${format(reference.values[at])}</em></span>`}
  </div>`;
}

// The same figures for who cannot see the picture, and for who wants to read them.
function Numbers({ title, series, places, sums, format, reference }) {
  const [open, setOpen] = useState(false);
  return html`<details class="numbers" onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>Show as a table</summary>
    ${
      open &&
      html`<div class="scroll" tabindex="0" role="group" aria-label=${`${title}, figures`}><table class="plain">
      <caption class="hidden">${title}</caption>
      <thead><tr><th scope="col">When</th>${series.map((each) => html`<th key=${each.name} scope="col"><${Named} name=${each.name} /></th>`)}${series.length > 1 && html`<th scope="col">Total</th>`}${reference && html`<th scope="col">${reference.name}</th>`}</tr></thead>
      <tbody>${places.map((place, at) => html`<tr key=${at}><th scope="row">${place.whole}</th>${series.map((each) => html`<td key=${each.name}>${place.missed ? "not watched" : format(each.values[at] ?? 0)}</td>`)}${series.length > 1 && html`<td>${place.missed ? "not watched" : format(sums[at])}</td>`}${reference && html`<td>${format(reference.values[at])}</td>`}</tr>`)}</tbody>
    </table></div>`
    }
  </details>`;
}

export function Legend({ series, format, onPick }) {
  return html`<ul class="legend">${series.map(
    (each) => html`<li key=${each.name}>
    ${onPick && each.pick !== undefined ? html`<button type="button" class="plain" onClick=${() => onPick(each)}><i class=${each.tone}></i><${Named} name=${each.name} /></button>` : html`<span><i class=${each.tone}></i><${Named} name=${each.name} /></span>`}
    <em>${format(each.values.reduce((sum, value) => sum + (value ?? 0), 0))}</em>
  </li>`,
  )}</ul>`;
}

function spoken(place, sum, series, at, format) {
  if (place.missed) return `${place.whole}: not watched`;
  const some = series.filter((each) => each.values[at]).slice(0, 5);
  const parts =
    series.length > 1 ? `, ${some.map((each) => `${each.name} ${format(each.values[at])}`).join(", ")}` : "";
  return `${place.whole}: ${format(sum)}${parts}`;
}

// A round figure above all bars, in units of the base.
function ceiling(value, base) {
  const unit = base ** Math.floor(Math.log(value) / Math.log(base));
  const power = 10 ** Math.floor(Math.log10(value / unit));
  return STEPS.find((each) => each * power * unit >= value) * power * unit;
}

// Slanting lines over the place of a bar that is not known.
function hatched(x, wide) {
  const lines = Array.from({ length: 9 }, (_, at) => HIGH - (at * HIGH) / 9);
  return lines.map((y) => `M${n(x)},${n(y)}L${n(x + wide)},${n(y - HIGH / 9)}`).join("");
}

const n = (figure) => Number(figure.toFixed(2));
