// Usage of a period as bars, and as tables by service, protocol and remote address.

import { useMemo, useState } from "preact/hooks";
import { address, request } from "../lib/api.js";
import { count, octets, octetsParts } from "../lib/format.js";
import { grouped } from "../lib/groups.js";
import { html } from "../lib/html.js";
import { barsOf, inside } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";
import { Bars, Legend } from "./bars.js";
import { ExportLinks } from "./export_links.js";
import { Answered, Card, Figure } from "./parts.js";
import { Table } from "./table.js";

// Bars of what went in and out in a span, of a device or a person.
export function Usage({ title: name, kind, span, narrow, turn }) {
  const parameters = { ...span, step: stepFor(kind, span), by: "", ...narrow };
  const answer = useAnswer(address("usage", parameters));
  return html`<${Card} title=${name} name="usage" tools=${html`<${ExportLinks} path="usage.csv" parameters=${parameters} />`}>
    <${Answered} answer=${answer}>${(data) => html`<${InOut} data=${data} span=${span} turn=${turn} />`}<//>
  <//>`;
}

function InOut({ data, span, turn }) {
  const { step, steps, stepOf, places } = useMemo(() => barsOf(data, span), [data]);
  const sums = useMemo(() => {
    const found = new Map(steps.map((each) => [each, [0, 0, 0]]));
    for (const row of data.rows) {
      const amounts = found.get(stepOf(row.start));
      amounts[0] += row.octets_in ?? 0;
      amounts[1] += row.octets_out ?? 0;
      amounts[2] += row.octets - (row.octets_in ?? 0) - (row.octets_out ?? 0);
    }
    return [0, 1, 2].map((side) => steps.map((each) => found.get(each)[side]));
  }, [data]);
  const whole = data.rows.reduce((sum, row) => sum + row.octets, 0);
  const packets = data.rows.reduce((sum, row) => sum + row.packets_in + row.packets_out, 0);
  if (!whole)
    return html`<p class="lone small">No data was used in this period. ${data.coverage?.some((each) => each.observed_ms > 0) ? "The network was being watched." : "The network was not being watched."}</p>`;
  const series = [
    { name: "Download", tone: "c0", values: sums[0] },
    { name: "Upload", tone: "c1", values: sums[1] },
    { name: "Download or upload", tone: "c8", values: sums[2] },
  ].filter((_, at) => at < 2 || sums[2].some(Boolean));
  return html`<p class="total"><${Figure} parts=${octetsParts(whole)} /> <span class="unit">in ${count(packets)} packets</span></p>
    ${data.notice && html`<p class="note">${data.notice}.</p>`}
    <${Bars} title=${`Data used per ${step}`} series=${series} places=${places} format=${octets} onPlace=${inside(step, places[0].start) && ((at) => turn({ start: "", end: "", ...inside(step, places[at].start) }))} />
    <${Legend} series=${series} format=${octets} />`;
}

function stepFor(kind, span) {
  return (
    { day: "hour", week: "hour", month: "day", cycle: "day", year: "month" }[kind] ??
    (span.end.slice(0, 10) === span.start.slice(0, 10) ? "minute" : "day")
  );
}

// On what and with whom, of a device or a person.
export function Details({ span, narrow }) {
  return html`<div class="panels">
    <${About} by="service" title="Services" name="services" span=${span} narrow=${narrow} />
    <div class="half stack">
      <${About} by="protocol" title="Protocols" name="protocols" span=${span} narrow=${narrow} />
      <${About} by="peer" title="Remote addresses" name="peers" span=${span} narrow=${narrow} />
    </div>
  </div>`;
}

export function About({ by, title: name, name: key, span, narrow, tone, more = {}, linked }) {
  const parameters = { ...span, by, top: by === "peer" ? 50 : "", ...narrow, ...more };
  const answer = useAnswer(address("usage", parameters));
  if (answer.fault && answer.fault.status === 400 && !answer.data) return null; // A breakdown that this database does not have.
  return html`<div class=${tone ?? "half"}><${Answered} answer=${answer}>${(data) => html`<${UsageTable} by=${by} name=${name} place=${key} data=${data} parameters=${parameters} linked=${linked} />`}<//></div>`;
}

function UsageTable({ by, name, place, data, parameters, linked }) {
  const groups = useMemo(() => grouped(data.rows, by), [data]);
  const [names, setNames] = useState({});
  const whole = groups.reduce((sum, each) => sum + each.octets, 0);
  const find = async (peer) => {
    setNames((old) => ({ ...old, [peer]: "\u2026" }));
    const found = await request(address(`names/${encodeURIComponent(peer)}`)).catch((fault) => ({
      name: null,
      fault: fault.message,
    }));
    setNames((old) => ({ ...old, [peer]: found.name ?? found.fault ?? "no name" }));
  };
  const columns = [
    {
      key: "name",
      label: { service: "Service", protocol: "Protocol", peer: "Address" }[by] ?? "Name",
      text: true,
      of: (row) => row.name,
      cell: (row) => (linked?.(row) ? html`<a href=${linked(row)}>${row.name}</a>` : html`<bdi>${row.name}</bdi>`),
    },
    ...(by === "peer"
      ? [
          {
            key: "dns",
            label: "Name",
            text: true,
            of: (row) => names[row.peer] ?? "",
            cell: (row) =>
              row.last
                ? ""
                : names[row.peer]
                  ? html`<bdi>${names[row.peer]}</bdi>`
                  : html`<button type="button" class="plain" onClick=${() => find(row.peer)}>look up</button>`,
          },
        ]
      : []),
    {
      key: "octets",
      label: "Data used",
      of: (row) => row.octets,
      cell: (row) => octets(row.octets),
      total: (rows) => octets(rows.reduce((sum, row) => sum + row.octets, 0)),
    },
    {
      key: "share",
      label: "Share",
      of: (row) => row.octets,
      cell: (row) =>
        html`<span class="bar" aria-hidden="true"><i class="in" style=${{ width: `${whole ? (row.octets / whole) * 100 : 0}%` }}></i></span>`,
    },
    ...(by === "peer"
      ? []
      : [
          {
            key: "packets",
            label: "Packets",
            of: (row) => row.packets_in + row.packets_out,
            cell: (row) => count(row.packets_in + row.packets_out),
            total: (rows) => count(rows.reduce((sum, row) => sum + row.packets_in + row.packets_out, 0)),
          },
        ]),
  ];
  const empty = "No data was used.";
  return html`<${Table} title=${name} name=${place} columns=${columns} rows=${groups} start=${{ key: "octets", descending: true }} words=${(row) => `${row.name} ${names[row.peer] ?? ""}`} empty=${empty} save=${{ path: "usage.csv", parameters: parameters }} />`;
}
