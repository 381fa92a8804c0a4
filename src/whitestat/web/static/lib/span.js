// Spans of the calendar: days, weeks, months, billing periods, years, or any two instants, in the server's zone.
// A date is its text, 2026-11-21; arithmetic is on UTC, where every day has 24 hours.

import { clock, date } from "./format.js";

export const SPANS = {
  day: "Day",
  week: "Week",
  month: "Month",
  cycle: "Billing period",
  year: "Year",
  own: "Custom range",
};
const DAY_MS = 86400000;
const STEPS = { day: "hour", week: "day", month: "day", cycle: "day", year: "month" };

const at = (day) => Date.parse(`${day.slice(0, 10)}T00:00:00Z`);
const text = (ms) => new Date(ms).toISOString().slice(0, 10);
export const plus = (day, days) => text(at(day) + days * DAY_MS);
export const days = (from, to) => Math.round((at(to) - at(from)) / DAY_MS);

function month(day, months) {
  const [year, number] = day.split("-").map(Number);
  return text(Date.UTC(year, number - 1 + months, 1));
}

// The day of a month that billing periods begin on: the last one where the month is shorter.
function billingDay(first, day) {
  const [year, number] = first.split("-").map(Number);
  return plus(first, Math.min(day, new Date(Date.UTC(year, number, 0)).getUTCDate()) - 1);
}

// {start, end} of the span that a day lies in, as the API takes them; the end is not included.
export function bounds(kind, day, billing, own = {}) {
  if (kind === "day") return { start: day, end: plus(day, 1) };
  if (kind === "week") {
    const monday = plus(day, -((new Date(at(day)).getUTCDay() + 6) % 7));
    return { start: monday, end: plus(monday, 7) };
  }
  if (kind === "month") return { start: month(day, 0), end: month(day, 1) };
  if (kind === "year") return { start: `${day.slice(0, 4)}-01-01`, end: `${Number(day.slice(0, 4)) + 1}-01-01` };
  if (kind === "cycle") {
    const here = billingDay(month(day, 0), billing.day);
    const start = here <= day ? here : billingDay(month(day, -1), billing.day);
    const hour = billing.hour ? `T${String(billing.hour).padStart(2, "0")}:00` : "";
    return { start: start + hour, end: billingDay(month(start, 1), billing.day) + hour };
  }
  return { start: own.start || plus(day, -6), end: own.end || plus(day, 1) };
}

// A day of the span before or after, and for own dates their new bounds.
export function moved(kind, { start, end }, way) {
  if (kind !== "own") return { at: way < 0 ? plus(start, -1) : end.slice(0, 10) };
  const long = way * (instant(end) - instant(start));
  return { start: shifted(start, long), end: shifted(end, long) };
}

// The span of the same kind before.
export function before(kind, span, billing) {
  const { at: day, start, end } = moved(kind, span, -1);
  return kind === "own" ? { start, end } : bounds(kind, day, billing);
}

const instant = (word) => Date.parse(`${word.length > 10 ? word.slice(0, 16) : `${word}T00:00`}:00Z`);
const shifted = (word, ms) => {
  const moved = new Date(instant(word) + ms).toISOString();
  return word.length > 10 || ms % DAY_MS ? moved.slice(0, 16) : moved.slice(0, 10);
};
export const length = ({ start, end }) => (instant(end) - instant(start)) / 1000;

// How long the bars of a span are, so that there are neither too few nor too many.
export function step(kind, span) {
  if (STEPS[kind]) return STEPS[kind];
  const hours = length(span) / 3600;
  if (hours <= 4) return "minute";
  if (hours <= 72) return "hour";
  return hours <= 24 * 100 ? "day" : hours <= 24 * 400 ? "week" : "month";
}

// What a span is called.
export function title(kind, { start, end }) {
  if (kind === "day") return date(start, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  if (kind === "month") return date(start, { month: "long", year: "numeric" });
  if (kind === "year") return start.slice(0, 4);
  const words = { day: "numeric", month: "short", year: "numeric" };
  if (start.length > 10 || end.length > 10)
    return `${date(start, words)} ${start.slice(11, 16)} \u2013 ${start.slice(0, 10) === end.slice(0, 10) ? "" : `${date(end, words)} `}${end.slice(11, 16) || "00:00"}`;
  return `${date(start, words)} \u2013 ${date(plus(end, -1), words)}`;
}

// What a bar is called, short on the axis and whole for who reads it out.
export function label(step, start, whole) {
  if (step === "minute" || step === "hour")
    return whole
      ? `${date(start, { weekday: "short", day: "numeric", month: "short" })} ${clock(start).slice(0, 5)}`
      : clock(start).slice(0, 5);
  if (step === "month") return date(start, whole ? { month: "long", year: "numeric" } : { month: "short" });
  const words = whole
    ? { weekday: "long", day: "numeric", month: "long", year: "numeric" }
    : { day: "numeric", month: "short" };
  return step === "week" && whole ? `week from ${date(start, words)}` : date(start, words);
}

// Where a click on a bar leads: the span it stands for.
export function inside(step, start) {
  if (step === "month") return { span: "month", at: start.slice(0, 10) };
  if (step === "week" || step === "day") return { span: step, at: start.slice(0, 10) };
  if (step === "hour") return { span: "own", start: start.slice(0, 16), end: shifted(start.slice(0, 16), 3600000) };
  return null;
}

// The starts of all steps of a span up to `until`, so that those without usage have a place too.
export function starts(step, { start, end }, until) {
  const found = [];
  const stop = Math.min(instant(end), until ? instant(until.slice(0, 16)) : Infinity);
  if (step === "month") {
    for (let each = start.slice(0, 10); instant(each) < stop; each = month(each, 1)) found.push(each.slice(0, 7));
    return found;
  }
  if (step === "week" || step === "cycle") return null;
  const long = { minute: 60000, hour: 3600000, day: DAY_MS }[step];
  const keep = step === "day" ? 10 : 16;
  const first = step === "day" ? instant(start.slice(0, 10)) : instant(start);
  for (let each = first; each < stop; each += long) found.push(new Date(each).toISOString().slice(0, keep));
  return found;
}

// The span that an address names, the month where it names none.
export function spanOf(query, today, billing, usual = "month") {
  const kind = SPANS[query.span] ? query.span : usual;
  const day = /^\d{4}-\d\d-\d\d$/.test(query.at ?? "") ? query.at : today;
  const own = Object.fromEntries(
    ["start", "end"].map((name) => [name, /^\d{4}-\d\d-\d\d(T\d\d:\d\d)?$/.test(query[name] ?? "") ? query[name] : ""]),
  );
  const span = bounds(kind, day, billing, own);
  return { kind, day, span: span.end > span.start ? span : bounds("own", day, billing) };
}

// The bars of an answer: their steps, and how an instant becomes its step.
export function barsOf(data, span, until) {
  const step = data.resolution;
  const keep = step === "month" ? 7 : step === "day" ? 10 : 16;
  const given = starts(step, span, until);
  const found = new Set(data.rows.map((row) => row.start.slice(0, keep)));
  const steps = given ? [...new Set([...given, ...found])].sort() : [...found].sort();
  const isMissed = missed(data, keep);
  return {
    step,
    steps,
    stepOf: (start) => start.slice(0, keep),
    places: steps.map((each) => {
      const start = each.length === 7 ? `${each}-01` : each;
      const text = start.length === 10 ? `${start}T00:00:00` : `${start}:00`;
      const place = { start: text, label: label(step, text, false), whole: label(step, text, true) };
      return isMissed(each, text) && !found.has(each) ? { ...place, missed: true } : place;
    }),
  };
}

// Whether none of the measuring points watched a step, by its key and its instant.
function missed(data, keep) {
  const points = (data.coverage ?? []).filter((each) => !each.point.endsWith(" import")).map((each) => each.point);
  const gaps = (data.not_watched ?? []).filter(
    (each) => each.missed_ms === Date.parse(each.end) - Date.parse(each.start),
  );
  const holds = (point, step, text) =>
    gaps.some((each) => each.point === point && each.start.slice(0, keep) <= step && text < each.end.slice(0, 19));
  return (step, text) => points.length > 0 && points.every((point) => holds(point, step, text));
}
