// Health: limits beside measured values, each measuring point with its gaps, and the database.

import { Answered, Card } from "../components/parts.js";
import { Table } from "../components/table.js";
import { address } from "../lib/api.js";
import { capital, count, duration, moment, octets, percent } from "../lib/format.js";
import { html } from "../lib/html.js";
import { plus } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";

const MB = 1000000;
const EVERY_MS = 10000;

export function Health({ today, about }) {
  const health = useAnswer(address("health"), EVERY_MS);
  const seen = useAnswer(address("coverage", { start: "today" }), 60000);
  const gaps = useAnswer(address("gaps", { start: plus(today, -6), end: "today" }), 60000);
  const store = useAnswer(address("store"), 60000);
  return html`<div class="view">
    <header><h2 class="page">Health</h2></header>
    <${Answered} answer=${health}>${(report) => html`<div class="panels">
      <${Promises} report=${report} seen=${seen.data} store=${store.data} />
      <${Itself} report=${report} about=${about} />
      <${Card} title="Database" name="store" tone="half"><${Answered} answer=${store}>${(data) => html`<${Store} store=${data} />`}<//><//>
      <${Points} report=${report} seen=${seen} gaps=${gaps.data} />
      <${Unwatched} gaps=${gaps} />
      <${Explained} />
    </div>`}<//>
  </div>`;
}

// [name, limit, met, measured value] of each limit; `met` is null if unknown.
function promises(report, seen, store) {
  const hours = report.uptime_s / 3600;
  const lost = seen?.points.reduce((sum, each) => sum + each.packets_lost, 0);
  const [owned, owed] = ["octets_attributed", "octets_unattributed"].map((key) =>
    seen?.points.reduce((sum, each) => sum + each[key], 0),
  );
  const cpu = report.uptime_s > 60 && report.cpu_seconds != null ? report.cpu_seconds / report.uptime_s : null;
  const written =
    hours >= 1 && report.flushed_octets != null ? (report.flushed_octets / report.uptime_s) * 86400 : null;
  const year = store?.octets_per_day != null ? store.octets_per_day * 365 : null;
  return [
    [
      "Memory, the whole service",
      "at most 45 MB",
      report.memory_resident_octets == null ? null : report.memory_resident_octets <= 45 * MB,
      octets(report.memory_resident_octets),
    ],
    [
      "Processor, since the start",
      "below 2 % of a core with a page open",
      cpu === null ? null : cpu < 0.02,
      cpu === null ? "known after a minute" : percent(cpu, 2),
    ],
    ["Packets lost today", "none", lost === undefined ? null : lost === 0, count(lost)],
    [
      "Data matched to a device today",
      "at least 99 %",
      owned === undefined || !owned ? null : owned / (owned + owed) >= 0.99,
      owned ? percent(owned / (owned + owed), 2) : "no traffic yet",
    ],
    [
      "Written to the disk in a day",
      "at most 25 MB",
      written === null ? null : written <= 25 * MB,
      written === null ? "known after an hour" : octets(Math.round(written)),
    ],
    [
      "Database growth in a year",
      "at most 60 MB for 50 devices",
      year === null ? null : year <= 60 * MB,
      year === null ? "known after a day" : octets(Math.round(year)),
    ],
    [
      "In memory, not yet written",
      "at most 30 s of usage",
      report.unwritten_octets == null ? null : !(report.notices ?? []).some((each) => each.includes("kept in memory")),
      octets(report.unwritten_octets),
    ],
    ["Errors since the start", "none", report.errors == null ? null : report.errors === 0, count(report.errors)],
  ];
}

function Promises({ report, seen, store }) {
  return html`<section class="card sheet full" aria-labelledby="promises"><header><h2 id="promises">Limits and measured values</h2></header>
    <div class="scroll" tabindex="0" role="group" aria-labelledby="promises"><table class="grid wrap">
      <thead><tr><th scope="col">Value</th><th scope="col" class="text">Limit</th><th scope="col">Measured</th><th scope="col">Met</th></tr></thead>
      <tbody>${promises(report, seen, store).map(([what, limit, kept, value]) => html`<tr key=${what}><th scope="row">${what}</th><td class="text">${limit}</td><td>${value}</td><td>${kept === null ? "\u2013" : kept ? html`<span class="state-ok">yes</span>` : html`<span class="state-bad">no</span>`}</td></tr>`)}</tbody>
    </table></div></section>`;
}

function Itself({ report, about }) {
  const discarded = Object.entries(report.discarded ?? {});
  return html`<${Card} title="Program" name="itself" tone="half"><dl class="facts">
    <dt>State</dt><dd class=${report.status === "ok" ? "state-ok" : "state-bad"}>${report.status}</dd>
    <dt>Version</dt><dd>${report.version ?? document.body.dataset.version}</dd>
    ${report.uptime_s != null && html`<dt>Running for</dt><dd>${duration(report.uptime_s)}</dd>`}
    ${about.timezone && html`<dt>Time zone</dt><dd>${about.timezone}</dd>`}
    <dt>Your browser</dt><dd>${new Intl.NumberFormat().resolvedOptions().locale}, ${Intl.DateTimeFormat().resolvedOptions().timeZone}</dd>
    ${report.clock && html`<dt>Clock</dt><dd>${{ set: "set", held: "not set yet: usage is recorded once it is" }[report.clock] ?? report.clock}</dd>`}
    ${report.memory_kernel_octets != null && html`<dt>Kernel tables</dt><dd>${octets(report.memory_kernel_octets)}</dd>`}
    ${report.flushes != null && html`<dt>Writes to the disk</dt><dd>${count(report.flushes)}</dd>`}
    ${discarded.length > 0 && html`<dt>Counts rejected</dt><dd>${discarded.map(([what, number]) => `${number} ${what}`).join(", ")}</dd>`}
  </dl>${(report.notices ?? []).map((each) => html`<p class="note" key=${each}>${capital(each)}</p>`)}<//>`;
}

function Points({ report, seen, gaps }) {
  const of = (answer, name) => answer?.points.find((each) => each.point === name);
  return html`<section class="card sheet full" aria-labelledby="points"><header><h2 id="points">Measuring points</h2></header>
    <div class="scroll" tabindex="0" role="group" aria-labelledby="points"><table class="grid wrap">
      <thead><tr><th scope="col">Point</th><th scope="col" class="text">Collector</th><th scope="col" class="text">State</th><th scope="col">Watched today</th><th scope="col">Not watched, 7 days</th><th scope="col">Matched to a device</th><th scope="col">Packets lost</th></tr></thead>
      <tbody>${(report.points ?? []).map((each) => {
        const [now, gap] = [of(seen.data, each.point), of(gaps, each.point)?.missed_ms];
        return html`<tr key=${each.point}><th scope="row"><bdi>${each.point}</bdi></th><td class="text">${each.collector ?? ""}${each.interface ? ` on ${each.interface}` : ""}</td>
          <td class="text"><span class=${each.state === "ok" ? "state-ok" : "state-bad"}>${each.state}</span> ${each.notice ?? ""}</td>
          <td>${now ? duration(now.observed_ms / 1000) : "\u2013"}</td><td>${gap == null ? "\u2013" : gap ? lasted(gap) : "none"}</td>
          <td>${now?.coverage == null ? "\u2013" : percent(now.coverage, 2)}</td><td>${count(now?.packets_lost)}</td></tr>`;
      })}</tbody>
    </table></div></section>`;
}

// Each gap of the last days by itself, the latest first; one within a minute has that minute's times.
function Unwatched({ gaps }) {
  const rows = (gaps.data?.points ?? [])
    .flatMap(({ point, gaps: found }) => found.map((each) => ({ ...each, point, key: `${point} ${each.start}` })))
    .sort((a, b) => Date.parse(b.start) - Date.parse(a.start));
  if (!rows.length) return null;
  const more = gaps.data.points.reduce((sum, each) => sum + each.more, 0);
  return html`<${Table} title="Times not watched" name="gaps" tone="full" rows=${rows} columns=${GAPS} start=${{ key: "start", descending: true }} words=${(row) => `${row.point} ${moment(row.start)}`}>
    ${more > 0 && html`<span class="note small">and ${count(more)} earlier</span>`}
  <//>`;
}

const GAPS = [
  { key: "start", label: "From", of: (row) => Date.parse(row.start), cell: (row) => second(row.start) },
  {
    key: "end",
    label: "To",
    text: true,
    of: (row) => row.end ?? "",
    cell: (row) => (row.end ? second(row.end) : html`<span class="state-bad">ongoing</span>`),
  },
  { key: "long", label: "Not watched", of: (row) => row.missed_ms, cell: (row) => lasted(row.missed_ms) },
  { key: "point", label: "Point", text: true, of: (row) => row.point, cell: (row) => html`<bdi>${row.point}</bdi>` },
];
const second = (instant) => `${moment(instant)}:${instant.slice(17, 19)}`;
const lasted = (ms) => duration(ms / 1000);

function Store({ store }) {
  return html`<dl class="facts">
    <dt>Size</dt><dd>${octets(store.octets)}</dd>
    <dt>First day</dt><dd>${store.since ? moment(store.since).split(",")[0] : "no data yet"}</dd>
    <dt>Growth per day</dt><dd>${store.octets_per_day == null ? "known after a day" : `${octets(store.octets_per_day)}, on average`}</dd>
    <dt>Free on the disk</dt><dd>${octets(store.free_octets)}</dd>
    ${store.octets_per_day > 0 && html`<dt>Full in</dt><dd>${duration((store.free_octets / store.octets_per_day) * 86400)}, at this pace</dd>`}
  </dl>`;
}

function Explained() {
  return html`<${Card} title="How the watched share is measured" name="explained" tone="full">
    <p>The network interface has its own counters. Traffic that they counted but that WhiteStat could not match to a device is shown as \u201cUnattributed\u201d. It is never left out and never assigned to a device by guessing.</p>
    <p>\u201cWatched\u201d is the share of all data that was matched to a device. It is lower while a device is still unknown, when packets are lost, and after WhiteStat was killed: traffic during that time was counted only by the interface.</p>
    <p class="note">For scripts: <a href="api/v1/coverage">coverage</a>, <a href="api/v1/gaps?start=week">gaps</a>, <a href="api/v1/health">health</a>, <a href="metrics">metrics</a>.</p>
  <//>`;
}
