import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import {
  ago,
  change,
  duration,
  lastDay,
  octets,
  percent,
  rate,
  share,
  units,
} from "../../src/whitestat/web/static/lib/format.js";

const plain = (text) => text.replaceAll("\u00a0", " ");

afterEach(() => Object.assign(units, { octets: "GB", rate: "bit/s" }));

test("amounts have one decimal above the first unit and a dash if unknown", () => {
  assert.equal(plain(octets(0)), "0 B");
  assert.equal(plain(octets(999)), "999 B");
  assert.equal(plain(octets(999_950)), "1.0 MB");
  assert.equal(plain(octets(28_700_000_000)), "28.7 GB");
  assert.equal(plain(octets(null)).trim(), "\u2013");
});

test("amounts and speeds follow the chosen units", () => {
  units.octets = "GiB";
  assert.equal(plain(octets(1024 ** 3)), "1.0 GiB");
  assert.equal(plain(rate(8_000_000)), "8.0 Mbit/s");
  units.rate = "octet/s";
  assert.equal(plain(rate(8_000_000)), "1.0 MB/s");
});

test("a percentage is cut, so that less than all is never 100 %", () => {
  assert.equal(plain(percent(0.99999, 2)), "99.99 %");
  assert.equal(plain(percent(1, 2)), "100.00 %");
});

test("a small share is not shown as none", () => {
  assert.equal(plain(share(1, 1000)), "< 1 %");
  assert.equal(plain(share(0, 1000)), "0 %");
  assert.equal(plain(share(5, 0)), "0 %");
});

test("a comparison is in words", () => {
  assert.equal(plain(change(150, 100)), "50 % more");
  assert.equal(plain(change(50, 100)), "50 % less");
  assert.equal(change(100, 100), "as much");
  assert.equal(change(900, 100), "9 times as much");
  assert.equal(change(900, 0), "");
});

test("the age of an instant is by the server's clock", () => {
  const now = "2026-11-21T12:00:00+01:00";
  assert.equal(ago("2026-11-21T12:00:03+01:00", now), "now");
  assert.equal(plain(ago("2026-11-21T11:59:20+01:00", now)), "40 s ago");
  assert.equal(ago("2026-11-21T03:05:00+01:00", now), "03:05");
  assert.equal(plain(ago("2026-11-20T03:05:00+01:00", now)), "20 Nov 03:05");
});

test("the last day of a period is the one before its end, but on the day of an end at another hour", () => {
  const words = { day: "numeric" };
  assert.equal(lastDay("2026-12-20T00:00:00+01:00", words), "19");
  assert.equal(lastDay("2026-12-20T05:00:00+01:00", words), "20");
  assert.equal(lastDay("2027-01-01T00:00:00+13:00", words), "31");
});

test("durations are in the unit that people use", () => {
  assert.equal(plain(duration(59)), "59 s");
  assert.equal(plain(duration(3600)), "60 min");
  assert.equal(plain(duration(90_000)), "25 h");
  assert.equal(plain(duration(1e12)), "more than 100 years");
});
