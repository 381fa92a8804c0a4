import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changed,
  choices,
  inSection,
  label,
  SECTIONS,
  same,
  text,
  typed,
} from "../../src/whitestat/web/static/lib/settings.js";

test("what is typed becomes what TOML has", () => {
  assert.equal(typed({ types: ["int"] }, " 15 "), 15);
  assert.equal(typed({ types: ["str"] }, "15"), "15");
  assert.equal(typed({ types: ["str", "int"] }, "30s"), "30s");
  assert.deepEqual(typed({ types: ["list"] }, "80, 100,"), [80, 100]);
  assert.deepEqual(typed({ types: ["list"] }, "192.0.2.0/24"), ["192.0.2.0/24"]);
  assert.equal(typed({ types: ["int"] }, "  "), null);
  assert.equal(typed({ types: ["int"] }, "many"), "many"); // refused by the server, with its words
});

test("values are shown as they are typed", () => {
  assert.equal(text([80, 100]), "80, 100");
  assert.equal(text(null), "");
  assert.equal(text(false), "false");
});

test("rows lose what is emptied", () => {
  assert.deepEqual(changed({ name: "line", hour: 3 }, "hour", null), { name: "line" });
  assert.deepEqual(changed({ name: "line" }, "hour", 4), { name: "line", hour: 4 });
});

test("choices and labels are words", () => {
  assert.deepEqual(choices({ kind: "one of both, in, out" }), ["both", "in", "out"]);
  assert.equal(choices({ kind: "a path" }), null);
  assert.equal(label("point", "url"), "Address of the router");
  assert.equal(label("", "store.retention.peer_day"), "Peer day");
});

test("a section has its keys and no others", () => {
  const names = ["billing.day", "timezone", "store.path", "store.flush", "store.retention.day"].map((name) => ({
    name,
  }));
  const kept = SECTIONS.find(([name]) => name === "kept");
  assert.deepEqual(
    inSection(kept, names).map(({ name }) => name),
    ["store.flush", "store.retention.day"],
  );
  assert.ok(same(null, undefined) && same([1], [1]) && !same(1, "1"));
});
