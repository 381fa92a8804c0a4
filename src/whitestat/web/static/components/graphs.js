// The four graphs of darkstat: 60 seconds, 60 minutes, 24 hours, 31 days; in and out, octets or packets.

import { useMemo } from "preact/hooks";
import { address } from "../lib/api.js";
import { count, octets, rate } from "../lib/format.js";
import { html } from "../lib/html.js";
import { label, plus } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";
import { Bars } from "./bars.js";
import { ExportLinks } from "./export_links.js";
import { Answered, Card } from "./parts.js";

const MINUTE_MS = 60000;
const SECONDS = 60;
const LONG = [
  { name: "minutes", title: "60 minutes", step: "minute", many: 60, every: 30000 },
  { name: "hours", title: "24 hours", step: "hour", many: 24, every: 60000 },
  { name: "days", title: "31 days", step: "day", many: 31, every: 300000 },
];

// `narrow` says whose: {}, {device} or {point}; `packets` whether packets are shown instead of octets.
export function Graphs({ live, narrow, packets }) {
  const at = live.at;
  const minute = at.slice(0, 16);
  const key = JSON.stringify(narrow);
  // The long graphs are asked of the ledger, and are drawn anew each minute.
  const long = useMemo(
    () =>
      LONG.map((each) => html`<${Long} key=${each.name} ...${each} at=${at} narrow=${narrow} packets=${packets} />`),
    [minute, key, packets],
  );
  return html`<div class="graphs">
    <${Card} title="60 seconds" name="seconds"><${Seconds} history=${live.history} at=${at} narrow=${narrow} packets=${packets} /><//>
    ${long}
  </div>`;
}

function Seconds({ history, at, narrow, packets }) {
  const now = Math.floor(Date.parse(at) / 1000);
  const found = bySecond(history);
  const places = Array.from({ length: SECONDS }, (_, each) => {
    const ago = SECONDS - 1 - each;
    return {
      at: now - ago,
      label: ago % 15 === 14 || !ago ? (ago ? `\u2212${ago + 1}\u00a0s` : "now") : "",
      whole: ago ? `${ago} seconds ago` : "now",
    };
  });
  const values = (way) => places.map((place) => figure(found.get(place.at), narrow, way, packets));
  const sides = [
    { name: "Download", tone: "c0", values: values("in") },
    { name: "Upload", tone: "c1", values: values("out") },
    ...(!packets && values("unsplit").some(Boolean)
      ? [{ name: "Download or upload", tone: "c8", values: values("unsplit") }]
      : []),
  ];
  return html`<${Bars} title="Speed in the last 60 seconds" series=${sides} places=${places} format=${packets ? perSecond : rate} sparse />`;
}

// An entry stands for all of its time: seconds that a busy machine was too late for are in the next.
function bySecond(history) {
  const found = new Map();
  for (const entry of history) {
    const at = Math.floor(entry.at / 1000);
    for (let each = Math.min(at, Math.floor(entry.since / 1000) + 1); each <= at; each++) found.set(each, entry);
  }
  return found;
}

const perSecond = (figure) => `${count(figure)}/s`;

// What an entry of the stream's last minute says of whom is looked at.
function figure(entry, narrow, way, packets) {
  if (!entry) return 0;
  const at = way === "unsplit" ? 4 : (way === "out" ? 1 : 0) + (packets ? 2 : 0);
  if (narrow.device) return entry.devices.get(Number(narrow.device))?.[at] ?? 0;
  if (narrow.point) return entry.points.get(narrow.point)?.[at] ?? 0;
  return entry.all[at] ?? 0;
}

function Long({ title, name, step, many, every, at, narrow, packets }) {
  const first = begin(at, step, many);
  const asked = { start: first, step, by: "", scope: "wan", ...narrow };
  const answer = useAnswer(address("usage", asked), every);
  return html`<${Card} title=${title} name=${name} tools=${html`<${ExportLinks} path="usage.csv" parameters=${asked} />`}>
    <${Answered} answer=${answer}>${(data) => html`<${Steps} data=${data} at=${at} step=${step} many=${many} packets=${packets} title=${title} />`}<//>
  <//>`;
}

// The start of the first bar: local dates for days, else an instant.
function begin(at, step, many) {
  if (step === "day") return plus(at, 1 - many);
  const long = step === "hour" ? 60 * MINUTE_MS : MINUTE_MS;
  const shift = offset(at);
  const here = Date.parse(at) + shift;
  return `${new Date(here - (here % long) - (many - 1) * long - shift).toISOString().slice(0, 19)}Z`;
}

// Milliseconds that local time is ahead by, as the instant's text says.
function offset(at) {
  const found = /([+-])(\d\d):(\d\d)$/.exec(at);
  return found ? (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) * MINUTE_MS : 0;
}

function Steps({ data, at, step, many, packets, title }) {
  const found = new Map(data.rows.map((row) => [step === "day" ? row.start.slice(0, 10) : Date.parse(row.start), row]));
  const long = step === "hour" ? 60 * MINUTE_MS : MINUTE_MS;
  const shift = offset(at);
  const first = Date.parse(begin(at, step, many));
  const places = Array.from({ length: many }, (_, each) => {
    const key = step === "day" ? plus(at, each + 1 - many) : first + each * long;
    const text = step === "day" ? `${key}T00:00:00` : new Date(key + shift).toISOString();
    return { key, label: label(step, text, false), whole: label(step, text, true) };
  });
  const of = (take) => places.map((place) => (found.has(place.key) ? take(found.get(place.key)) : 0));
  const series = packets
    ? [
        { name: "Download", tone: "c0", values: of((row) => row.packets_in) },
        { name: "Upload", tone: "c1", values: of((row) => row.packets_out) },
      ]
    : [
        { name: "Download", tone: "c0", values: of((row) => row.octets_in ?? 0) },
        { name: "Upload", tone: "c1", values: of((row) => row.octets_out ?? 0) },
        {
          name: "Download or upload",
          tone: "c8",
          values: of((row) => row.octets - (row.octets_in ?? 0) - (row.octets_out ?? 0)),
        },
      ].filter((each, number) => number < 2 || each.values.some(Boolean));
  return html`<${Bars} title=${`${packets ? "Packets" : "Data used"} in the last ${title}`} series=${series} places=${places} format=${packets ? count : octets} />
    ${data.notice && html`<p class="note">${data.notice}.</p>`}`;
}
