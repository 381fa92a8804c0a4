// When it is used: each hour of each day, or of each weekday where there are many days.

import { useMemo, useState } from "preact/hooks";
import { address } from "../lib/api.js";
import { date, octets } from "../lib/format.js";
import { hoursOf } from "../lib/hours.js";
import { html } from "../lib/html.js";
import { days } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";
import { Answered, Card } from "./parts.js";

const MOST_DAYS = 35; // More are told by weekday.
const MOST_KEPT = 400; // Hours are kept so long, unless the configuration says otherwise.
const HOURS = Array.from({ length: 24 }, (_, each) => each);

export function Heat({ span, asked, turn }) {
  const [open, setOpen] = useState(false);
  const long = days(span.start, span.end);
  const { by, step, ...narrow } = asked;
  const answer = useAnswer(open && long <= MOST_KEPT ? address("usage", { ...narrow, step: "hour", by: "" }) : null);
  return html`<${Card} title="Hours of the day" name="heat" tone=${open ? "" : "screen"} tools=${html`<button type="button" class="tool" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>${open ? "Hide" : "Show"}</button>`}>
    ${!open && html`<p class="note">Data used in each hour of ${long > MOST_DAYS ? "each weekday" : "each day"}: the darker, the more.</p>`}
    ${open && long > MOST_KEPT && html`<p class="note">Hourly figures are kept for ${MOST_KEPT} days. Choose a shorter period.</p>`}
    ${open && long <= MOST_KEPT && html`<${Answered} answer=${answer} empty="No data was used in this period.">${(data) => (data.rows.length ? html`<${Fields} data=${data} span=${span} weekly=${long > MOST_DAYS} turn=${turn} />` : null)}<//>`}
  <//>`;
}

function Fields({ data, span, weekly, turn }) {
  const rows = useMemo(() => hoursOf(data, span, weekly), [data, span.start, span.end, weekly]);
  const most = Math.max(1, ...rows.flatMap((row) => row.values));
  const grade = (value) =>
    value ? `h${Math.min(5, 1 + Math.floor((value / most) * 4.999))}` : value === null ? "gap" : "";
  const label = (day) =>
    date(day, weekly ? { weekday: "short" } : { weekday: "short", day: "numeric", month: "short" });
  const words = (value) => (value === null ? "not watched" : octets(value));
  return html`${data.resolution !== "hour" && html`<p class="note">Hourly figures of this period are no longer kept: ${data.notice}.</p>`}
    <div class="scroll" tabindex="0" role="group" aria-label="Data used by day and hour"><table class="heat">
      <caption class="hidden">${weekly ? "Average data used by weekday and hour" : "Data used by day and hour"}</caption>
      <thead><tr><th scope="col"><span class="hidden">Day</span></th>${HOURS.map((hour) => html`<th key=${hour} scope="col">${hour % 3 ? html`<span class="hidden">${hour}</span>` : hour}</th>`)}</tr></thead>
      <tbody>${rows.map(
        (
          row,
        ) => html`<tr key=${row.key}><th scope="row">${weekly ? label(row.day) : html`<button type="button" class="plain" onClick=${() => turn({ span: "day", at: row.key, step: "", start: "", end: "" })}>${label(row.day)}</button>`}</th>
        ${HOURS.map((hour) => html`<td key=${hour} class=${grade(row.values[hour])} title=${`${label(row.day)} ${hour}:00 ${words(row.values[hour])}`}><span class="hidden">${words(row.values[hour])}</span></td>`)}</tr>`,
      )}</tbody>
    </table></div>
    <p class="note">Darkest: ${octets(most)} in one hour${weekly ? ", on average" : ""}.${rows.some((row) => row.values.includes(null)) ? " Hatched: not watched." : ""}</p>`;
}
