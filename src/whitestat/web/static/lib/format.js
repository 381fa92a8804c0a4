// Text of figures and instants, in the chosen units and the locale of the browser.

// The units in use; stores/units.js changes them.
export const units = { octets: "GB", rate: "bit/s" };

const OCTETS = {
  GB: [1000, ["B", "kB", "MB", "GB", "TB", "PB", "EB"]],
  GiB: [1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]],
};
const RATES = {
  "bit/s": [1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]],
  "octet/s": [1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]],
};
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const oneDecimal = new Intl.NumberFormat(undefined, {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  useGrouping: false,
});
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

export const octetsParts = (figure) => parts(figure, ...OCTETS[units.octets]);
export const rateParts = (bps) =>
  parts(units.rate === "bit/s" || bps == null ? bps : Math.round(bps / 8), ...RATES[units.rate]);
export const octets = (figure) => octetsParts(figure).join("\u00a0");
export const rate = (bps) => rateParts(bps).join("\u00a0");
export const count = (figure) => (figure == null ? "\u2013" : whole.format(figure));

// [figure, unit]: whole below the first step, one decimal above; what is not known is a dash.
function parts(figure, base, units) {
  if (figure === null || figure === undefined) return ["\u2013", ""];
  if (figure < base) return [whole.format(figure), units[0]];
  let step = 0;
  let tenths = figure * 10;
  do {
    tenths /= base;
    step += 1;
  } while (Math.round(tenths) >= base * 10 && step < units.length - 1);
  return [oneDecimal.format(Math.round(tenths) / 10), units[step]];
}

// Cut, not rounded: what is not all must never read as 100 %.
export function percent(share, decimals) {
  const scale = 10 ** decimals;
  const cut = Math.floor(share * 100 * scale + 1e-9) / scale;
  return (
    new Intl.NumberFormat(undefined, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(cut) +
    "\u00a0%"
  );
}

// A share of the whole for a table: small ones are told from none.
export function share(part, of) {
  if (!of || !part) return "0\u00a0%";
  const hundredths = (part / of) * 100;
  return hundredths < 1 ? "<\u00a01\u00a0%" : `${Math.round(hundredths)}\u00a0%`;
}

// How much more or less than before, in words that need no colour.
export function change(now, before) {
  if (!before) return "";
  const more = Math.round((now / before - 1) * 100);
  if (more === 0) return "as much";
  return more > 400
    ? `${Math.round(now / before)} times as much`
    : `${Math.abs(more)}\u00a0% ${more > 0 ? "more" : "less"}`;
}

// How long ago by the server's clock, which may not be this one's; both are ISO 8601 in one zone.
export function ago(instant, now) {
  if (!instant) return "\u2013";
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(instant)) / 1000));
  if (seconds < 10) return "now";
  if (seconds < 60) return `${seconds}\u00a0s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min ago`;
  if (instant.slice(0, 10) === now.slice(0, 10)) return clock(instant).slice(0, 5);
  return `${Number(instant.slice(8, 10))}\u00a0${MONTHS[Number(instant.slice(5, 7)) - 1]}\u00a0${clock(instant).slice(0, 5)}`;
}

export const clock = (instant) => instant.slice(11, 19);

// Of the server's zone, whatever this browser's is: the date's own digits count.
export function date(day, words) {
  const [year, month, number] = day.slice(0, 10).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, number)).toLocaleDateString(undefined, { ...words, timeZone: "UTC" });
}

// The last day of a span whose end, an instant with its zone, is not part of it.
export const lastDay = (end, words) => date(new Date(Date.parse(`${end.slice(0, 19)}Z`) - 1000).toISOString(), words);

export const day = (instant) => date(instant, { weekday: "long", day: "numeric", month: "long" });
export const moment = (instant) =>
  instant
    ? `${date(instant, { day: "numeric", month: "short", year: "numeric" })}, ${clock(instant).slice(0, 5)}`
    : "\u2013";

export function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)}\u00a0s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}\u00a0min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)}\u00a0h`;
  if (seconds < 63072000) return `${Math.round(seconds / 86400)}\u00a0days`;
  const years = Math.round(seconds / 31557600);
  return years > 100 ? "more than 100\u00a0years" : `${years}\u00a0years`;
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// A name within a sentence: isolated, so that one that turns the direction of text turns its own alone (UAX 9, FSI and PDI).
export const quoted = (name) => `\u201c\u2068${name}\u2069\u201d`;
