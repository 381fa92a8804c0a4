import assert from "node:assert/strict";
import { test } from "node:test";
import { csvText } from "../../src/whitestat/web/static/lib/csv.js";
import { deviceName, makerAndMac, withoutMac } from "../../src/whitestat/web/static/lib/devices.js";
import { grouped, series, sum } from "../../src/whitestat/web/static/lib/groups.js";
import { href, read } from "../../src/whitestat/web/static/lib/route.js";

const row = (device, start, octets, more = {}) => ({
  device,
  start,
  octets,
  octets_in: octets,
  octets_out: 0,
  packets_in: 1,
  packets_out: 0,
  ...more,
});

test("rows are added up by device, the largest first and what has no device last", () => {
  const [tv, phone] = [
    { id: 1, name: "tv" },
    { id: 2, name: "phone" },
  ];
  const groups = grouped([row(phone, "a", 5), row(null, "a", 99), row(tv, "a", 4), row(tv, "b", 3)], "device");
  assert.deepEqual(
    groups.map((group) => [group.name, group.octets]),
    [
      ["tv", 7],
      ["phone", 5],
      ["Unattributed", 99],
    ],
  );
  assert.deepEqual(
    [...groups[0].steps],
    [
      ["a", 4],
      ["b", 3],
    ],
  );
});

test("download is unknown for a group if it is unknown in one of its rows", () => {
  const groups = grouped([row(null, "a", 5), row(null, "a", 5, { octets_in: null })], "device");
  assert.equal(groups[0].octets_in, null);
  assert.equal(sum(groups, "octets_in"), null);
  assert.equal(sum(groups, "octets"), 10);
});

test("groups beyond the eight largest are one series", () => {
  const rows = Array.from({ length: 12 }, (_, number) =>
    row({ id: number + 1, name: `d${number}` }, "a", 100 - number),
  );
  const drawn = series(grouped(rows, "device"), ["a"]);
  assert.equal(drawn.length, 9);
  assert.equal(drawn[8].name, "4 others");
  assert.deepEqual(drawn[8].values, [92 + 91 + 90 + 89]);
});

test("a cell that a spreadsheet would run is made text", () => {
  assert.equal(csvText([["=1+1", 'a"b', "x,y", null, -5]]), '\'=1+1,"a""b","x,y",,-5\r\n');
});

test("a device without a name is shown by its MAC address, else by its number", () => {
  assert.equal(deviceName({ id: 3, name: "  ", mac: "02:50:00:00:00:01" }), "02:50:00:00:00:01");
  assert.equal(deviceName({ id: 3, name: null, mac: null }), "device 3");
  assert.equal(deviceName(null), "Unattributed");
  assert.deepEqual(makerAndMac("A Maker 02:50:00:00:00:01"), ["A Maker", "02:50:00:00:00:01"]);
  assert.equal(withoutMac("phone"), "phone");
});

test("a place in the page survives its way through the address", () => {
  const query = { span: "own", start: "2026-11-21T05:00", label: "kids, all" };
  const parts = ["person", "A/B ü%"];
  assert.deepEqual(read(href(parts, query)), { parts, query });
  assert.deepEqual(read("#/device/%E0%A4%A"), { parts: ["device", "%E0%A4%A"], query: {} });
});
