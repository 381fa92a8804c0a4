import assert from "node:assert/strict";
import { test } from "node:test";
import { hoursOf } from "../../src/whitestat/web/static/lib/hours.js";

const missed = (start, end) => ({ point: "lan", start, end, missed_ms: Date.parse(end) - Date.parse(start) });
const DATA = {
  resolution: "hour",
  rows: [
    { start: "2026-11-02T03:00:00+01:00", octets: 600 },
    { start: "2026-11-02T05:00:00+01:00", octets: 50 },
    { start: "2026-11-09T03:00:00+01:00", octets: 200 },
  ],
  coverage: [{ point: "lan" }],
  not_watched: [
    missed("2026-11-02T04:00:00+01:00", "2026-11-02T06:00:00+01:00"),
    missed("2026-11-03T00:00:00+01:00", "2026-11-04T00:00:00+01:00"),
  ],
};

test("an hour that no point watched is none, one without usage is 0, and one with usage is told", () => {
  const [first, second, third] = hoursOf(DATA, { start: "2026-11-02", end: "2026-11-10" }, false);
  assert.deepEqual(first.values.slice(2, 7), [0, 600, null, 50, 0]);
  assert.deepEqual(second.values, Array(24).fill(null));
  assert.deepEqual([third.key, third.values[3]], ["2026-11-09", 200]);
});

test("the mean of a weekday is of the hours that were watched", () => {
  const rows = hoursOf(DATA, { start: "2026-11-02", end: "2026-11-10" }, true);
  assert.deepEqual(
    rows.map((row) => row.key),
    ["0", "1"],
  );
  assert.deepEqual(rows[0].values.slice(2, 7), [0, 400, 0, 25, 0]);
  assert.deepEqual(rows[1].values, Array(24).fill(null));
});
