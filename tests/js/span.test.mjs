import assert from "node:assert/strict";
import { test } from "node:test";
import {
  barsOf,
  before,
  bounds,
  inside,
  moved,
  spanOf,
  starts,
  step,
  title,
} from "../../src/whitestat/web/static/lib/span.js";

const BILLING = { day: 31, hour: 0 };

test("a step that no point watched is missed, and one with usage or a point that watched is not", () => {
  const whole = (point, start, end) => ({ point, start, end, missed_ms: Date.parse(end) - Date.parse(start) });
  const data = {
    resolution: "day",
    rows: [{ start: "2026-11-03T00:00:00+01:00" }],
    coverage: [{ point: "lan" }, { point: "guest" }, { point: "vnstat eth0 import" }],
    not_watched: [
      whole("lan", "2026-11-01T00:00:00+01:00", "2026-11-05T00:00:00+01:00"),
      whole("guest", "2026-11-02T00:00:00+01:00", "2026-11-05T00:00:00+01:00"),
      { point: "guest", start: "2026-11-01T00:00:00+01:00", end: "2026-11-02T00:00:00+01:00", missed_ms: 5000 },
    ],
  };
  const span = { start: "2026-11-01", end: "2026-11-06" };
  const missed = (answer) => barsOf(answer, span).places.map((each) => each.missed ?? false);
  assert.deepEqual(missed(data), [false, true, false, true, false]);
  assert.deepEqual(missed({ ...data, not_watched: null }), [false, false, false, false, false]);
});

test("a week begins on Monday, and a month and a year on their first day", () => {
  assert.deepEqual(bounds("week", "2026-11-22", BILLING), { start: "2026-11-16", end: "2026-11-23" });
  assert.deepEqual(bounds("month", "2024-02-29", BILLING), { start: "2024-02-01", end: "2024-03-01" });
  assert.deepEqual(bounds("year", "2026-12-31", BILLING), { start: "2026-01-01", end: "2027-01-01" });
});

test("a billing period of day 31 begins on the last day of a shorter month", () => {
  assert.deepEqual(bounds("cycle", "2026-03-01", BILLING), { start: "2026-02-28", end: "2026-03-31" });
  assert.deepEqual(bounds("cycle", "2026-02-27", BILLING), { start: "2026-01-31", end: "2026-02-28" });
  assert.deepEqual(bounds("cycle", "2026-03-01", { day: 20, hour: 5 }), {
    start: "2026-02-20T05:00",
    end: "2026-03-20T05:00",
  });
});

test("the period before a custom range is as long and ends where it starts", () => {
  const span = { start: "2026-11-10", end: "2026-11-13" };
  assert.deepEqual(before("own", span, BILLING), { start: "2026-11-07", end: "2026-11-10" });
  assert.deepEqual(moved("day", { start: "2026-03-01", end: "2026-03-02" }, -1), { at: "2026-02-28" });
});

test("an address with nonsense falls back to the month of today", () => {
  const { kind, span } = spanOf({ span: "eon", at: "<b>" }, "2026-11-21", BILLING);
  assert.equal(kind, "month");
  assert.deepEqual(span, { start: "2026-11-01", end: "2026-12-01" });
  const backwards = spanOf({ span: "own", start: "2026-11-20", end: "2026-11-01" }, "2026-11-21", BILLING).span;
  assert.deepEqual(backwards, { start: "2026-11-15", end: "2026-11-22" });
});

test("bars are neither too few nor too many", () => {
  const own = (start, end) => step("own", { start, end });
  assert.equal(own("2026-11-21T05:00", "2026-11-21T06:00"), "minute");
  assert.equal(own("2026-11-21", "2026-11-23"), "hour");
  assert.equal(own("2026-11-01", "2026-11-23"), "day");
  assert.equal(own("2020-01-01", "2026-11-23"), "month");
});

test("every step of a span has a place, with usage or without", () => {
  assert.deepEqual(starts("day", { start: "2026-02-27", end: "2026-03-02" }), [
    "2026-02-27",
    "2026-02-28",
    "2026-03-01",
  ]);
  assert.deepEqual(starts("month", { start: "2025-12-01", end: "2026-03-01" }), ["2025-12", "2026-01", "2026-02"]);
  const data = { resolution: "hour", rows: [{ start: "2026-11-21T01:00:00+01:00" }] };
  const bars = barsOf(data, { start: "2026-11-21", end: "2026-11-22" });
  assert.equal(bars.steps.length, 24);
  assert.equal(bars.stepOf("2026-11-21T01:00:00+01:00"), bars.steps[1]);
});

test("a bar leads into the time it stands for", () => {
  assert.deepEqual(inside("month", "2026-11-01"), { span: "month", at: "2026-11-01" });
  assert.deepEqual(inside("hour", "2026-11-21T23:00:00"), {
    span: "own",
    start: "2026-11-21T23:00",
    end: "2026-11-22T00:00",
  });
  assert.equal(inside("minute", "2026-11-21T23:00:00"), null);
});

test("a title names the last day, not the day after", () => {
  assert.match(title("cycle", { start: "2026-11-20", end: "2026-12-20" }), /19.*2026|Dec.* 19/);
});
