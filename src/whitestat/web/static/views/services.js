// What the traffic is: services with who uses them, protocols with their packets, and the points that counted it.

import { useMemo } from "preact/hooks";
import { Answered, Named } from "../components/parts.js";
import { Scope, Span, scopeOf } from "../components/span_picker.js";
import { Table } from "../components/table.js";
import { About } from "../components/usage.js";
import { address } from "../lib/api.js";
import { count, octets } from "../lib/format.js";
import { grouped, linkOf, sum } from "../lib/groups.js";
import { html } from "../lib/html.js";
import { go, href } from "../lib/route.js";
import { spanOf } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";

export function Services({ today, about, route }) {
  const { query } = route;
  const { kind, span } = spanOf(query, today, about.billing, "week");
  const scope = scopeOf(query);
  const narrow = { scope: scope === "all" ? "" : scope };
  const turn = (more) => go(["services"], { ...query, ...more });
  return html`<div class="view">
    <header><h2 class="page">Services</h2></header>
    <${Span} kind=${kind} span=${span} today=${today} turn=${turn} />
    <div class="controls"><${Scope} scope=${scope} turn=${turn} />
      ${query.service && html`<span class="tool">Service: <bdi>${query.service}</bdi> <button type="button" class="plain" aria-label="Remove this service filter" onClick=${() => turn({ service: "" })}>\u00d7</button></span>`}</div>
    ${query.service && html`<${Who} span=${span} narrow=${narrow} service=${query.service} query=${query} />`}
    <div class="panels">
      <${About} by="service" title="Services" name="services" span=${span} narrow=${narrow} linked=${(row) => row.service && row.service !== "other" && href(["services"], { ...query, service: row.service })} />
      <div class="half stack">
        <${About} by="protocol" title="Protocols" name="protocols" span=${span} narrow=${narrow} />
        <${Points} span=${span} narrow=${narrow} query=${query} />
      </div>
    </div>
  </div>`;
}

function Who({ span, narrow, service, query }) {
  const asked = { ...span, by: "device", service, ...narrow };
  const answer = useAnswer(address("usage", asked));
  return html`<${Answered} answer=${answer}>${(data) => {
    const rows = grouped(data.rows, "device");
    return html`<${Table} title=${`Who uses ${service}`} name="who" rows=${rows} columns=${amounts(query)} start=${{ key: "octets", descending: true }} words=${(row) => row.name} empty="No device used it in this period." save=${{ path: "usage.csv", parameters: asked }} />`;
  }}<//>`;
}

const amounts = (query) => [
  {
    key: "name",
    label: "Device",
    text: true,
    of: (row) => row.name,
    cell: (row) =>
      linkOf(row, query)
        ? html`<a href=${linkOf(row, { ...query, service: "" })}><${Named} name=${row.name} /></a>`
        : html`<${Named} name=${row.name} />`,
  },
  {
    key: "octets",
    label: "Total",
    of: (row) => row.octets,
    cell: (row) => html`<b>${octets(row.octets)}</b>`,
    total: (rows) => octets(sum(rows, "octets")),
  },
  {
    key: "in",
    label: "Download",
    of: (row) => row.octets_in,
    cell: (row) => octets(row.octets_in),
    total: (rows) => octets(sum(rows, "octets_in")),
  },
  {
    key: "out",
    label: "Upload",
    of: (row) => row.octets_out,
    cell: (row) => octets(row.octets_out),
    total: (rows) => octets(sum(rows, "octets_out")),
  },
  {
    key: "packets",
    label: "Packets",
    of: (row) => row.packets_in + row.packets_out,
    cell: (row) => count(row.packets_in + row.packets_out),
    total: (rows) => count(sum(rows, "packets_in") + sum(rows, "packets_out")),
  },
];

function Points({ span, narrow, query }) {
  const asked = { ...span, by: "point", ...narrow };
  const answer = useAnswer(address("usage", asked));
  const columns = useMemo(() => {
    const [, ...figures] = amounts(query);
    return [
      {
        key: "name",
        label: "Point",
        text: true,
        of: (row) => row.name,
        cell: (row) =>
          html`<a href=${href(["history"], { ...query, service: "", point: row.point, by: "device" })}><bdi>${row.name}</bdi></a>`,
      },
      ...figures,
      {
        key: "seen",
        label: "Watched",
        of: (row) => row.watched,
        cell: (row) => (row.watched === null ? "\u2013" : `${(Math.floor(row.watched * 1000) / 10).toFixed(1)}\u00a0%`),
      },
    ];
  }, [query]);
  return html`<${Answered} answer=${answer}>${(data) => {
    const watched = new Map(
      (data.coverage ?? []).map((each) => [
        each.point,
        data.elapsed_ms ? Math.min(1, each.observed_ms / data.elapsed_ms) : null,
      ]),
    );
    const rows = grouped(data.rows, "point").map((each) => ({ ...each, watched: watched.get(each.point) ?? null }));
    return html`<${Table} title="Measuring points" name="points" rows=${rows} columns=${columns} start=${{ key: "octets", descending: true }} empty="No data was counted in this period." save=${{ path: "usage.csv", parameters: asked }} />`;
  }}<//>`;
}
