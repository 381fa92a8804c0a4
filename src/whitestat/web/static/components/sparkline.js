// A minute of rates as two lines: in as an area, out above it; time runs to the right.

import { html } from "../lib/html.js";

const WIDE = 600;
const HIGH = 100;
const SPAN_MS = 60000;
const GAP_MS = 3500; // Seconds that were missed stay empty.

export function Sparkline({ history, peak }) {
  const now = history.length ? history[history.length - 1].at : 0;
  const runs = unbroken(history);
  const x = (entry) => WIDE - ((now - entry.at) / SPAN_MS) * WIDE;
  const y = (figure) => HIGH - 2 - (figure / (peak || 1)) * (HIGH - 8);
  const line = (run, way) => run.map((entry) => `${x(entry).toFixed(1)},${y(entry[way]).toFixed(1)}`).join("L");
  const area = (run) =>
    `M${x(run[0]).toFixed(1)},${HIGH}L${line(run, "in")}L${x(run[run.length - 1]).toFixed(1)},${HIGH}Z`;
  return html`<svg class="spark" viewBox=${`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label="Speed in the last minute">
    <path class="base" d=${`M0,${HIGH - 1}H${WIDE}`} />
    <path class="area" d=${runs.map(area).join("")} />
    <path class="line in" d=${runs.map((run) => `M${line(run, "in")}`).join("")} />
    ${history.some((entry) => entry.unsplit > 0) && html`<path class="line unsplit" d=${runs.map((run) => `M${line(run, "unsplit")}`).join("")} />`}
    <path class="line out" d=${runs.map((run) => `M${line(run, "out")}`).join("")} />
  </svg>`;
}

function unbroken(history) {
  const runs = [];
  for (const entry of history) {
    const run = runs[runs.length - 1];
    if (run && entry.at - run[run.length - 1].at < GAP_MS) run.push(entry);
    else runs.push([entry]);
  }
  return runs;
}
