// The first page: now, today, this billing period, who used it, and every device of today.

import { useMemo } from "preact/hooks";
import { Bars } from "../components/bars.js";
import { Devices } from "../components/devices_today.js";
import { Events } from "../components/events.js";
import { Proposals } from "../components/merge_proposals.js";
import { Answered, Arrow, Card, Figure, Shares } from "../components/parts.js";
import { Plans } from "../components/plans.js";
import { Strip } from "../components/summary.js";
import { address } from "../lib/api.js";
import { deviceLink, deviceName } from "../lib/devices.js";
import { change, octets, octetsParts } from "../lib/format.js";
import { html } from "../lib/html.js";
import { href } from "../lib/route.js";
import { before, bounds, days, plus, title } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";

const EVERY_MS = 60000;
const USUAL_DAYS = 28;
const TOP = 5;

export function Overview({ live, lost, report, household, about }) {
  const today = live.at.slice(0, 10);
  const totals = lost ? { ...live.totals, rate_bps: null, rate_in_bps: null, rate_out_bps: null } : live.totals;
  const quiet = ![...live.devices.values()].some((each) => each.octets > 0);
  // What is asked of the ledger does not change with the second: drawn anew with the day alone.
  const period = useMemo(
    () => html`<${Period} today=${today} about=${about} household=${household} />`,
    [today, about, household.editable],
  );
  return html`
    <${Strip} totals=${totals} history=${live.history} own=${about.role === "person"} />
    ${period}
    <${Proposals} ...${household} />
    <${Devices} devices=${live.devices} at=${live.at} stale=${lost} report=${report} household=${household} />
    ${quiet ? null : html`<${Events} events=${household.events} at=${live.at} />`}`;
}

function Period({ today, about, household }) {
  const span = bounds("cycle", today, about.billing);
  const answer = useAnswer(address("usage", { start: "cycle", by: "device,person", scope: "wan" }), EVERY_MS);
  return html`<div class="panels">
    <${Plans} today=${today} about=${about} household=${household} />
    <${Card} title="This billing period" name="period" tone="tall" more=${["History", href(["history"], { span: "cycle" })]}>
      <${Answered} answer=${answer}>${(data) => html`<${Used} data=${data} span=${span} about=${about} today=${today} />`}<//>
    <//>
    <${Usual} today=${today} />
    <${Card} title="Top devices this period" name="top-devices" tone="half top" more=${["All", href(["history"], { span: "cycle" })]}>
      <${Answered} answer=${answer} empty="No data was used in this period yet.">${(data) => topDevices(data.rows)}<//>
    <//>
    <${Card} title="Top people this period" name="top-people" tone="half top" more=${["All", href(["devices"])]}>
      <${Answered} answer=${answer} empty="No device has an owner yet. Choose an owner below a device\u2019s name: all its usage, past usage too, then counts for that person.">${(data) => topPeople(data.rows)}<//>
    <//>
  </div>`;
}

function Used({ data, span, about, today }) {
  const sum = (key) => data.rows.reduce((all, row) => (all === null || row[key] === null ? null : all + row[key]), 0);
  const whole = sum("octets");
  const last = before("cycle", span, about.billing);
  const day = days(span.start, today);
  // As far into the period before as this one is now, to the hour.
  const until = new Date(
    Date.parse(`${last.start.slice(0, 10)}T${last.start.slice(11, 16) || "00:00"}:00Z`) + data.elapsed_ms,
  )
    .toISOString()
    .slice(0, 13);
  const earlier = useAnswer(
    data.elapsed_ms >= 3600000
      ? address("usage", { start: last.start, end: `${until}:00`, by: "", scope: "wan" })
      : null,
  );
  const then = earlier.data?.rows[0]?.octets ?? 0;
  return html`<p class="note when">${title("own", span)}</p>
    <p class="total"><${Figure} parts=${octetsParts(whole)} /></p>
    <dl class="split">
      <div><dt><${Arrow} way="in" />Download</dt><dd>${octets(sum("octets_in"))}</dd></div>
      <div><dt><${Arrow} way="out" />Upload</dt><dd>${octets(sum("octets_out"))}</dd></div>
      <div><dt>Average per day</dt><dd>${octets(Math.round(whole / Math.max(1, day + 1)))}</dd></div>
    </dl>
    <p class="note">${then > 0 ? `${change(whole, then)} ${change(whole, then) === "as much" ? "as" : "than"} by this time in the previous period (${octets(then)}).` : "The previous period has no figures to compare with."}</p>`;
}

function Usual({ today }) {
  const answer = useAnswer(
    address("usage", { start: plus(today, -USUAL_DAYS), end: "today", step: "hour", by: "", scope: "wan" }),
    EVERY_MS,
  );
  return html`<${Card} title="Today compared with a usual day" name="usual" tone="wide tall" more=${["This day", href(["history"], { span: "day" })]}>
    <${Answered} answer=${answer}>${(data) => html`<${Hours} data=${data} today=${today} />`}<//>
  <//>`;
}

function Hours({ data, today }) {
  const found = useMemo(() => hours(data, today), [data, today]);
  const { now, usual, sofar, usually } = found;
  const places = Array.from({ length: 24 }, (_, each) => ({
    label: `${each}`,
    whole: `${String(each).padStart(2, "0")}:00 to ${String(each + 1).padStart(2, "0")}:00`,
  }));
  return html`<p class="lead">${octets(sofar)} so far. ${usual ? html`Usually ${octets(usually)} by this hour: <b>${compared(sofar, usually)}</b>.` : "A usual day is shown here after a week."}</p>
    <${Bars} title="Data used in each hour of today" series=${[{ name: "Today", values: now, tone: "c0" }]} places=${places} format=${octets} reference=${usual && { name: "Usual", values: usual }} />
    ${usual && html`<p class="key"><span><i class="c0"></i>today</span><span><i class="mark"></i>usual: the median of the last ${USUAL_DAYS} days at this hour</span></p>`}`;
}

function compared(now, usual) {
  const words = change(now, usual);
  return words === "as much"
    ? "the same"
    : words.endsWith("much")
      ? `${words} as usual`
      : words
        ? `${words} than usual`
        : "nothing to compare with";
}

// By hour of the day: today's octets, and the median of the days before on which anything flowed.
function hours(data, today) {
  const byDay = new Map();
  for (const row of data.rows) {
    const date = row.start.slice(0, 10);
    if (!byDay.has(date)) byDay.set(date, Array(24).fill(0));
    byDay.get(date)[Number(row.start.slice(11, 13))] += row.octets;
  }
  const now = byDay.get(today) ?? Array(24).fill(0);
  byDay.delete(today);
  const past = [...byDay.values()];
  const usual = past.length >= 7 ? now.map((_, hour) => median(past.map((each) => each[hour]))) : null;
  const hour = Math.max(
    0,
    now.findLastIndex((each) => each > 0),
  );
  const until = (values) => values.slice(0, hour + 1).reduce((sum, each) => sum + each, 0);
  return { now, usual, sofar: until(now), usually: past.length >= 7 ? median(past.map(until)) : 0 };
}

function median(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function topDevices(rows) {
  return top(
    rows,
    rows,
    (row) => row.device?.id ?? null,
    (row) => ({
      name: deviceName(row.device),
      nobody: !row.device,
      link: row.device && deviceLink(row.device.id, { span: "cycle" }),
    }),
    "Devices by data used",
  );
}

function topPeople(rows) {
  return top(
    rows.filter((row) => row.person),
    rows,
    (row) => row.person,
    (row) => ({ name: row.person, link: href(["person", row.person], { span: "cycle" }) }),
    "People by data used",
  );
}

function top(rows, all, keyOf, more, label) {
  const found = summed(rows, keyOf, more).slice(0, TOP);
  return found.length
    ? html`<${Shares} rows=${found} whole=${all.reduce((sum, row) => sum + row.octets, 0)} label=${label} />`
    : null;
}

function summed(rows, keyOf, more) {
  const found = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    const held = found.get(key) ?? { key: key ?? "nobody", octets: 0, ...more(row) };
    held.octets += row.octets;
    found.set(key, held);
  }
  return [...found.values()].sort((a, b) => b.octets - a.octets);
}
