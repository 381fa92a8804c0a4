// The live stream: keeps today's figures, reconnects when it is lost, rests while nobody looks.

const SILENCE_MS = 12000; // The server sends an item a second.
const REST_AFTER_MS = 5000; // A browser has six connections to a server; hidden pages must not hold them.
const HISTORY_MS = 61000;
const RETRY_MS = [1000, 2000, 4000, 8000];

const nothing = { phase: "connecting", at: null, totals: null, devices: new Map(), history: [] };

// The last minute is kept by second, with the rates of each device and point: [in, out] in bit/s, then in packets/s, then
// in bit/s what a meter cannot tell apart into in and out. Who
// comes back names the last second he has, and is told those in between.

// Calls `show` with each new state {phase, at, totals, devices, history}; phase is connecting, live or lost.
export function listen(show) {
  let state = nothing;
  let stream = null;
  let first = true;
  let last = ""; // The instant of the last event, by which the next stream begins.
  let failures = 0;
  let silence, retry, rest;

  const set = (change) => {
    state = { ...state, ...change };
    show(state);
  };

  function open() {
    close();
    first = true;
    stream = new EventSource(`api/v1/live${last ? `?last=${encodeURIComponent(last)}` : ""}`);
    stream.onmessage = (message) => take(JSON.parse(message.data));
    stream.onerror = lose;
    listenForSilence();
  }

  function close() {
    if (stream) stream.close();
    stream = null;
    for (const timer of [silence, retry]) clearTimeout(timer);
  }

  function listenForSilence() {
    clearTimeout(silence);
    silence = setTimeout(lose, SILENCE_MS);
  }

  function lose() {
    if (stream?.readyState === EventSource.CLOSED) dispatchEvent(new Event("refused")); // A session may have ended.
    close();
    set({ phase: "lost" });
    retry = setTimeout(open, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  }

  function take(item) {
    listenForSilence();
    failures = 0;
    // At midnight the figures begin again, and the first item of a new stream holds all of them.
    if (!first && state.at && state.at.slice(0, 10) !== item.at.slice(0, 10)) return open();
    const devices = first ? new Map() : new Map(state.devices);
    for (const device of item.devices) devices.set(device.id, device);
    for (const id of item.gone ?? []) devices.delete(id || null);
    const totals = { ...item, devices: undefined, missed: undefined };
    last = item.at;
    if (first) totals.rate_bps = totals.rate_in_bps = totals.rate_out_bps = null; // The first second has no second before it.
    set({
      phase: "live",
      at: item.at,
      totals,
      devices,
      history: longer(first ? (item.missed ?? []) : [...(item.missed ?? []), item]),
    });
    first = false;
  }

  function longer(items) {
    if (!items.length) return state.history;
    const found = items.map(second);
    const [from, until] = [found[0].at, found[found.length - 1].at];
    const kept = state.history.filter((each) => each.at > until - HISTORY_MS && each.at < from);
    return [...kept, ...found.filter((each) => each.at > until - HISTORY_MS)];
  }

  function look() {
    clearTimeout(rest);
    if (document.hidden) rest = setTimeout(close, REST_AFTER_MS);
    else if (!stream) open();
  }

  document.addEventListener("visibilitychange", look);
  // A browser that knows the network is back need not wait for the next try.
  addEventListener("online", open);
  open();
}

function second(item) {
  const devices = new Map();
  for (const each of item.devices) if (wholeRate(each)) devices.set(each.id, rates(each));
  const at = Date.parse(item.at);
  return {
    at,
    since: item.since ? Date.parse(item.since) : at - 1000,
    in: item.rate_in_bps ?? 0,
    out: item.rate_out_bps ?? 0,
    unsplit: unsplitRate(item),
    all: rates(item),
    devices,
    points: new Map((item.points ?? []).map((each) => [each.point, rates(each)])),
  };
}

const rates = (each) => [
  each.rate_in_bps,
  each.rate_out_bps,
  each.rate_in_pps ?? 0,
  each.rate_out_pps ?? 0,
  unsplitRate(each),
];

// Both directions, null where a polled meter's rate is not known.
export const wholeRate = (each) =>
  each.rate_in_bps == null ? null : each.rate_in_bps + each.rate_out_bps + unsplitRate(each);
export const unsplitRate = (each) => Math.max(0, (each.rate_bps ?? 0) - each.rate_in_bps - each.rate_out_bps);
