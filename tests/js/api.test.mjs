import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { address, request, send } from "../../src/whitestat/web/static/lib/api.js";

const realFetch = globalThis.fetch;
let events;

beforeEach(() => {
  events = [];
  globalThis.dispatchEvent = (event) => events.push(event.type);
});
afterEach(() => {
  globalThis.fetch = realFetch;
});

function answer(status, body) {
  globalThis.fetch = async () => new Response(body, { status });
}

test("an address leaves empty parameters out and keeps colons and commas readable", () => {
  assert.equal(address("devices"), "api/v1/devices");
  assert.equal(
    address("usage", { start: "2026-11-21T05:00", by: "device,person", scope: "", top: null, step: undefined }),
    "api/v1/usage?start=2026-11-21T05:00&by=device,person",
  );
  assert.equal(address("usage", { person: "A&B=ü" }), "api/v1/usage?person=A%26B%3D%C3%BC");
});

test("an empty `by` is sent, as it means one row for everything", () => {
  assert.equal(address("usage", { by: "" }), "api/v1/usage?by=");
  assert.equal(address("usage", { by: "", scope: "wan" }), "api/v1/usage?scope=wan&by=");
});

test("a good answer is its content", async () => {
  answer(200, '{"people": []}');
  assert.deepEqual(await request("api/v1/people"), { people: [] });
  assert.deepEqual(events, []);
});

for (const [status, body, message] of [
  [403, '{"error": {"reason": "not for this account"}}', "not for this account"],
  [500, "{}", "The request failed (status 500)."],
  [502, "<html>Bad gateway</html>", "WhiteStat sent an unreadable answer (status 502)."],
  [503, '{"error": {"reason": "the ledger is busy"}}', "the ledger is busy"],
])
  test(`a failure with status ${status} raises its reason: ${message}`, async () => {
    answer(status, body);
    await assert.rejects(request("api/v1/people"), { status, message });
    assert.deepEqual(events, []);
  });

test("a 401 raises and asks for the log-in, whatever its body", async () => {
  for (const body of ['{"error": {"reason": "log in"}}', "<html></html>"]) {
    answer(401, body);
    await assert.rejects(request("api/v1/people"), { status: 401 });
  }
  assert.deepEqual(events, ["login", "login"]);
});

test("a server that does not answer raises with status 0", async () => {
  globalThis.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  await assert.rejects(request("api/v1/people"), { status: 0, message: /does not answer/ });
});

test("an aborted request raises as such", async () => {
  globalThis.fetch = async () => {
    throw new DOMException("aborted", "AbortError");
  };
  await assert.rejects(request("api/v1/people"), { name: "AbortError" });
});

test("a health report is content, though its status is 503", async () => {
  answer(503, '{"status": "degraded", "points": []}');
  assert.equal((await request("api/v1/health")).status, "degraded");
});

test("a change is sent as JSON", async () => {
  let sent;
  globalThis.fetch = async (url, options) => {
    sent = [url, options.method, options.headers["content-type"], options.body];
    return new Response('{"edit": 7}');
  };
  assert.deepEqual(await send("PATCH", "api/v1/devices/1", { name: "tv" }), { edit: 7 });
  assert.deepEqual(sent, ["api/v1/devices/1", "PATCH", "application/json", '{"name":"tv"}']);
});
