// The whole page.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Devices } from "./devices.js";
import { notices, useHealth } from "./health.js";
import { useHousehold } from "./household.js";
import { html } from "./html.js";
import { listen } from "./live.js";
import { Events, Proposals, Toast } from "./news.js";
import { Strip } from "./strip.js";
import { clock, day } from "./text.js";

const PHASES = { connecting: "connecting", live: "live", lost: "reconnecting" };
const LINKS = [
  ["/api/v1/usage.html", "Table"],
  ["/api/v1/usage.csv", "CSV"],
  ["/api/v1/usage", "JSON"],
  ["/api/v1/health", "Health"],
  ["/openapi.json", "API"],
];

function Page() {
  const [live, show] = useState(null);
  useEffect(() => listen(show), []);
  const phase = live?.phase ?? "connecting";
  const report = useHealth(phase);
  const household = useHousehold(phase, live?.at?.slice(0, 10));
  return html`
    <header class="head">
      <img src="/static/icon.svg" alt="" width="32" height="32" />
      <div class="title">
        <h1>WhiteStat</h1>
        ${live?.at && html`<p class="date"><time datetime=${live.at.slice(0, 10)}>${day(live.at)}</time></p>`}
      </div>
      <p class=${`phase ${phase}`} role="status"><i aria-hidden="true"></i>${PHASES[phase]}</p>
    </header>
    <main class=${phase === "lost" ? "stale" : ""}>
      ${phase === "lost" && html`<${Lost} at=${live.at} />`}
      ${notices(report).map((each) => html`<p class="notice" key=${each}><${Sign} /><bdi>${each}</bdi></p>`)}
      ${live?.totals
        ? html`<${Strip} totals=${phase === "lost" ? without(live.totals) : live.totals} history=${live.history} />
            <${Proposals} ...${household} />
            <${Devices} devices=${live.devices} at=${live.at} stale=${phase === "lost"} report=${report} household=${household} />
            <${Events} events=${household.events} at=${live.at} />`
        : phase !== "lost" && html`<p class="lone">Waiting for the first figures\u2026</p>`}
    </main>
    <footer class="foot">
      <nav aria-label="Today in other forms">${LINKS.map(([href, label]) => html`<a key=${href} href=${href}>${label}</a>`)}</nav>
      <p>WhiteStat ${document.body.dataset.version}</p>
    </footer>
    <${Toast} ...${household} />`;
}

function Lost({ at }) {
  return html`<p class="notice lost" role="alert"><${Sign} /><span><b>The connection to WhiteStat is lost.</b> Trying again.${at && ` The figures are those of ${clock(at)}.`}</span></p>`;
}

function Sign() {
  return html`<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1.5 15 14H1z" /><path d="M8 6v4m0 1.6v.4" /></svg>`;
}

// The rates of a second long gone would be a lie.
const without = (totals) => ({ ...totals, rate_in_bps: null, rate_out_bps: null });

render(html`<${Page} />`, document.getElementById("page"));
