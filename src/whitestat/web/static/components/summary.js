// The figures on top: the rate of this second, today's total, and how much of it is accounted for.

import { octets, octetsParts, percent, rate, rateParts } from "../lib/format.js";
import { html } from "../lib/html.js";
import { href } from "../lib/route.js";
import { unsplitRate } from "../stores/live.js";
import { Arrow, Figure, Ring } from "./parts.js";
import { Sparkline } from "./sparkline.js";

const GOOD = 0.99;
const FAIR = 0.95;

// Of `own` devices alone nothing can be said to be accounted for.
export function Strip({ totals, history, own }) {
  return html`<section class=${own ? "strip own" : "strip"} aria-label="Summary">
    <${Now} totals=${totals} history=${history} />
    <${Today} totals=${totals} />
    ${!own && html`<${Coverage} ratio=${totals.coverage} />`}
  </section>`;
}

function Now({ totals, history }) {
  const peak = Math.max(0, ...history.map((each) => Math.max(each.in, each.out, each.unsplit)));
  const unsplit = unsplitRate(totals);
  return html`<article class="card now">
    <h2>Right now</h2>
    <div class="rates">
      <p class="in"><${Figure} parts=${rateParts(totals.rate_in_bps)} /><span class="what"><${Arrow} way="in" />download</span></p>
      <p class="out"><${Figure} parts=${rateParts(totals.rate_out_bps)} /><span class="what"><${Arrow} way="out" />upload</span></p>
      ${unsplit > 0 && html`<p class="unsplit"><${Figure} parts=${rateParts(unsplit)} /><span class="what">download or upload</span></p>`}
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
      <div><dt><${Arrow} way="in" />Download</dt><dd>${octets(totals.octets_in)}</dd></div>
      <div><dt><${Arrow} way="out" />Upload</dt><dd>${octets(totals.octets_out)}</dd></div>
    </dl>
  </article>`;
}

function Coverage({ ratio }) {
  const known = ratio !== null && ratio !== undefined;
  const grade = !known ? "none" : ratio >= GOOD ? "good" : ratio >= FAIR ? "fair" : "poor";
  return html`<article class=${`card coverage ${grade}`}>
    <h2>Watched</h2>
    <div class="gauge">
      <p class="total"><${Figure} parts=${known ? percent(ratio, 2).split("\u00a0") : ["\u2013", ""]} /></p>
      <${Ring} ratio=${known ? ratio : 0} />
    </div>
    <p class="note">${explained(grade)} <a href=${href(["health"])}>How this is measured</a></p>
  </article>`;
}

function explained(grade) {
  if (grade === "none") return "The share of today\u2019s traffic that belongs to a known device. No traffic yet.";
  const rest = "The rest is listed as \u201cUnattributed\u201d.";
  if (grade === "good") return `of today\u2019s traffic belongs to a known device. ${rest}`;
  return `of today\u2019s traffic belongs to a known device: less than it should be. ${rest}`;
}
