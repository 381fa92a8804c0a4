// The figures on top: the rate of this second, today's total, and how much of it is accounted for.

import { html } from "./html.js";
import { Sparkline } from "./sparkline.js";
import { octetsParts, octets, percent, rate, rateParts } from "./text.js";

const GOOD = 0.99;
const FAIR = 0.95;

export function Strip({ totals, history }) {
  return html`<section class="strip" aria-label="Summary">
    <${Now} totals=${totals} history=${history} />
    <${Today} totals=${totals} />
    <${Coverage} ratio=${totals.coverage} />
  </section>`;
}

function Now({ totals, history }) {
  const peak = Math.max(0, ...history.map((each) => Math.max(each.in, each.out)));
  return html`<article class="card now">
    <h2>Right now</h2>
    <div class="rates">
      <p class="in"><${Figure} parts=${rateParts(totals.rate_in_bps)} /><span class="what"><${Arrow} way="in" />down</span></p>
      <p class="out"><${Figure} parts=${rateParts(totals.rate_out_bps)} /><span class="what"><${Arrow} way="out" />up</span></p>
    </div>
    <${Sparkline} history=${history} peak=${peak} />
    <p class="axis"><span>a minute ago</span><span>${peak > 0 && `peak ${rate(peak)}`}</span><span>now</span></p>
  </article>`;
}

function Today({ totals }) {
  const whole = totals.octets ?? totals.octets_in + totals.octets_out;
  const inShare = whole ? (totals.octets_in / whole) * 100 : 0;
  const outShare = whole ? (totals.octets_out / whole) * 100 : 0;
  return html`<article class="card today">
    <h2>Today</h2>
    <p class="total"><${Figure} parts=${octetsParts(whole)} /></p>
    <div class="bar" aria-hidden="true">
      <i class="in" style=${{ width: `${inShare}%` }}></i><i class="out" style=${{ width: `${outShare}%` }}></i>
    </div>
    <dl class="split">
      <div><dt><${Arrow} way="in" />In</dt><dd>${octets(totals.octets_in)}</dd></div>
      <div><dt><${Arrow} way="out" />Out</dt><dd>${octets(totals.octets_out)}</dd></div>
    </dl>
  </article>`;
}

function Coverage({ ratio }) {
  const known = ratio !== null && ratio !== undefined;
  const grade = !known ? "none" : ratio >= GOOD ? "good" : ratio >= FAIR ? "fair" : "poor";
  return html`<article class=${`card coverage ${grade}`}>
    <h2>Accounted for</h2>
    <div class="gauge">
      <p class="total"><${Figure} parts=${known ? percent(ratio, 2).split("\u00a0") : ["\u2013", ""]} /></p>
      <${Ring} ratio=${known ? ratio : 0} />
    </div>
    <p class="note">${explained(grade)}</p>
  </article>`;
}

function explained(grade) {
  if (grade === "none") return "How much of today\u2019s traffic belongs to a device; nothing has flowed yet.";
  const rest = "The rest is the row \u201cUnattributed\u201d.";
  if (grade === "good") return `of today\u2019s traffic belongs to a device. ${rest}`;
  return `of today\u2019s traffic belongs to a device: less than it should be. ${rest}`;
}

function Ring({ ratio }) {
  const round = 2 * Math.PI * 15;
  return html`<svg class="ring" viewBox="0 0 36 36" aria-hidden="true">
    <circle cx="18" cy="18" r="15" />
    <circle class="part" cx="18" cy="18" r="15" stroke-dasharray=${`${ratio * round} ${round}`} transform="rotate(-90 18 18)" />
  </svg>`;
}

function Figure({ parts: [figure, unit] }) {
  return html`<span class="figure">${figure}</span>${unit && html`${" "}<span class="unit">${unit}</span>`}`;
}

export function Arrow({ way }) {
  const d = way === "in" ? "M5 1v8M1.5 5.5 5 9l3.5-3.5" : "M5 9V1M1.5 4.5 5 1l3.5 3.5";
  return html`<svg class=${`arrow ${way}`} viewBox="0 0 10 10" aria-hidden="true"><path d=${d} /></svg>`;
}
