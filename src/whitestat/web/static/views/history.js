// Any span: stacked bars, what it was before, a table of who used how much when, and the hours of the day.

import { useMemo } from "preact/hooks";
import { Bars, Legend } from "../components/bars.js";
import { ExportLinks } from "../components/export_links.js";
import { Heat } from "../components/hour_heatmap.js";
import { Answered, Card, Choice, Figure, Named } from "../components/parts.js";
import { Scope, Span, scopeOf } from "../components/span_picker.js";
import { Table } from "../components/table.js";
import { address } from "../lib/api.js";
import { change, octets, octetsParts } from "../lib/format.js";
import { BY, grouped, linkOf, series, sum } from "../lib/groups.js";
import { html } from "../lib/html.js";
import { go, href } from "../lib/route.js";
import { barsOf, before, inside, length, spanOf, step as stepOf, title } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";

const STEPS = { minute: "minutes", hour: "hours", day: "days", week: "weeks", month: "months" };
const FILTERS = ["device", "person", "point", "service", "label"];
const MOST_STEPS = 750;

export function History({ today, about, household, route }) {
  const { query } = route;
  const { kind, span } = spanOf(query, today, about.billing);
  const by = BY[query.by] ? query.by : "device";
  const scope = scopeOf(query);
  const step = allowed(query.step, span) ? query.step : stepOf(kind, span);
  const filters = Object.fromEntries(FILTERS.filter((each) => query[each]).map((each) => [each, query[each]]));
  const asked = { ...span, step, by, scope: scope === "all" ? "" : scope, ...filters };
  const answer = useAnswer(address("usage", asked));
  const earlier = useAnswer(
    address("usage", { ...before(kind, span, about.billing), by: "", scope: asked.scope, ...filters }),
  );
  const turn = (more, replace) => go(["history"], { ...query, ...more }, replace);
  const names = {
    device: household.devices?.find((each) => String(each.id) === query.device)?.name ?? `device ${query.device}`,
  };
  return html`<div class="view">
    <header><h2 class="page">${title(kind, span)}</h2><${ExportLinks} path="usage.csv" parameters=${asked} /></header>
    <${Span} kind=${kind} span=${span} today=${today} turn=${turn} />
    <div class="controls">
      <${Choice} label="Split by" name="by" value=${by} choices=${Object.entries(BY)} onChoose=${(each) => turn({ by: each })} />
      <${Scope} scope=${scope} turn=${turn} />
      <label class="pick">Group by <select value=${step} onChange=${(event) => turn({ step: event.target.value })}>${Object.entries(
        STEPS,
      )
        .filter(([each]) => each === step || allowed(each, span))
        .map(([each, text]) => html`<option key=${each} value=${each}>${text}</option>`)}</select></label>
      ${Object.entries(filters).map(([name, value]) => html`<span key=${name} class="tool">${BY[name] ?? "Label"}: <bdi>${names[name] ?? value}</bdi> <button type="button" class="plain" aria-label=${`Remove this ${name} filter`} onClick=${() => turn({ [name]: "" })}>\u00d7</button></span>`)}
    </div>
    <${Answered} answer=${answer}>${(data) => html`<${Breakdown} data=${data} earlier=${earlier} kind=${kind} span=${span} by=${by} asked=${asked} turn=${turn} today=${today} />`}<//>
    <${Heat} span=${span} asked=${asked} turn=${turn} />
  </div>`;
}

const allowed = (step, span) =>
  STEPS[step] &&
  length(span) / { minute: 60, hour: 3600, day: 86400, week: 604800, month: 2678400 }[step] <= MOST_STEPS &&
  length(span) >= { minute: 60, hour: 3600, day: 86400, week: 604800, month: 2678400 }[step];

function Breakdown({ data, earlier, kind, span, by, asked, turn }) {
  const { step, steps, stepOf, places } = useMemo(() => barsOf(data, span), [data, span.start, span.end]);
  const groups = useMemo(() => grouped(data.rows, by, stepOf), [data, by]);
  const drawn = useMemo(() => series(groups, steps), [groups, steps]);
  const sum = groups.reduce((all, each) => all + each.octets, 0);
  const then = earlier.data?.rows.reduce((all, row) => all + row.octets, 0);
  const query = {
    span: asked.span ?? kind,
    at: kind === "own" ? "" : span.start.slice(0, 10),
    start: kind === "own" ? span.start : "",
    end: kind === "own" ? span.end : "",
  };
  const pick = ({ pick: group }) => {
    if (by === "service") turn({ service: group.service ?? "", by: "device" });
    else if (by === "point") turn({ point: group.point, by: "device" });
    else if (by === "person" && group.person) turn({ person: group.person, by: "device" });
    else if (group.device) turn({ device: String(group.device.id), by: "service" });
  };
  if (!groups.length)
    return html`<section class="card empty"><h2>${wasWatched(data) ? "No data was used" : "Not watched"}</h2><p>${seen(data)} Choose another period, or see <a href=${href(["health"])}>when the network was watched</a>.</p></section>`;
  return html`
    <${Card} title="Total" name="together">
      <p class="total"><${Figure} parts=${octetsParts(sum)} /> ${then > 0 && html`<span class="unit">${compared(sum, then)}</span>`}</p>
      ${data.notice && html`<p class="note">${data.notice}.</p>`}
      <${Bars} title=${`Data used per ${step} by ${by}`} series=${drawn} places=${places} format=${octets} onPlace=${inside(step, places[0].start) && ((at) => turn({ step: "", start: "", end: "", ...inside(step, places[at].start) }))} />
      <${Legend} series=${drawn} format=${octets} onPick=${pick} />
      <p class="note"><span class="screen">Click a bar to zoom in, or a name for its details. </span>${places.some((each) => each.missed) && "Hatched, or ? in the table: not watched. "}${seen(data)}</p>
    <//>
    <${Matrix} groups=${groups} steps=${steps} places=${places} step=${step} by=${by} asked=${asked} query=${query} />`;
}

function compared(now, then) {
  const words = change(now, then);
  return `${words} ${words.startsWith("as") || words.endsWith("much") ? "as" : "than"} in the previous period (${octets(then)})`;
}

const wasWatched = (data) => (data.coverage ?? []).some((each) => each.observed_ms > 0);

// How much of the time each point was watched; what was imported was counted by another program, and by day.
function seen(data) {
  const elapsed = data.elapsed_ms;
  const watched = (data.coverage ?? []).map((each) =>
    !each.observed_ms
      ? `${each.point}: ${each.point.endsWith(" import") ? "imported by day from another program" : "not watched"}`
      : `${each.point}: watched ${elapsed ? Math.min(100, Math.floor((each.observed_ms / elapsed) * 1000) / 10) : 0}\u00a0% of the time`,
  );
  return watched.length ? `${watched.join("; ")}.` : "";
}

function Matrix({ groups, steps, places, step, by, asked, query }) {
  const columns = useMemo(
    () => [
      {
        key: "name",
        label: BY[by],
        text: true,
        of: (row) => row.name,
        cell: (row) =>
          linkOf(row, query)
            ? html`<a href=${linkOf(row, query)}><${Named} name=${row.name} /></a>`
            : html`<${Named} name=${row.name} />`,
      },
      {
        key: "sum",
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
      ...places.map((place, at) => ({
        key: steps[at],
        label: place.label,
        whole: place.whole,
        of: (row) => row.steps.get(steps[at]) ?? 0,
        cell: (row) =>
          row.steps.get(steps[at])
            ? octets(row.steps.get(steps[at]))
            : html`<span class="zero">${place.missed ? html`<span aria-hidden="true">?</span><span class="hidden">not watched</span>` : "\u00b7"}</span>`,
        total: (rows) => octets(rows.reduce((sum, row) => sum + (row.steps.get(steps[at]) ?? 0), 0)),
      })),
    ],
    [groups, steps, by],
  );
  const lines = () => [
    [BY[by].toLowerCase(), "octets", "octets_in", "octets_out", ...steps],
    ...groups.map((row) => [
      row.name,
      row.octets,
      row.octets_in,
      row.octets_out,
      ...steps.map((each) => row.steps.get(each) ?? 0),
    ]),
  ];
  return html`<${Table} title=${`${BY[by]} by ${step}`} name="matrix" columns=${columns} rows=${groups} start=${{ key: "sum", descending: true }}
    words=${(row) => `${row.name} ${row.device?.mac ?? ""}`} save=${{ lines, file: `whitestat-${by}-by-${step}-${asked.start.slice(0, 10)}` }} />`;
}
