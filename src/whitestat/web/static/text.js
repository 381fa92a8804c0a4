// Figures and instants as people read them; the same steps and rounding as units.py.

const OCTETS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const RATES = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export const octets = (figure) => parts(figure, OCTETS).join("\u00a0");
export const rate = (figure) => parts(figure, RATES).join("\u00a0");
export const octetsParts = (figure) => parts(figure, OCTETS);
export const rateParts = (figure) => parts(figure, RATES);

// [figure, unit]: whole below 1000, one decimal above; what is not known is a dash.
function parts(figure, units) {
  if (figure === null || figure === undefined) return ["\u2013", ""];
  if (figure < 1000) return [String(figure), units[0]];
  let step = 0;
  let tenths = figure * 10;
  do {
    tenths /= 1000;
    step += 1;
  } while (Math.round(tenths) >= 10000 && step < units.length - 1);
  return [(Math.round(tenths) / 10).toFixed(1), units[step]];
}

// Cut, not rounded: what is not all must never read as 100 %.
export function percent(share, decimals) {
  const scale = 10 ** decimals;
  return (Math.floor(share * 100 * scale + 1e-9) / scale).toFixed(decimals) + "\u00a0%";
}

// A share of the whole for a table: small ones are told from none.
export function share(part, whole) {
  if (!whole || !part) return "0\u00a0%";
  const hundredths = (part / whole) * 100;
  return hundredths < 1 ? "<\u00a01\u00a0%" : Math.round(hundredths) + "\u00a0%";
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

export function day(instant) {
  const [year, month, date] = instant.slice(0, 10).split("-").map(Number);
  const words = { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" };
  return new Date(Date.UTC(year, month - 1, date)).toLocaleDateString("en-GB", words);
}

// A name within a sentence: isolated, so that one that turns the direction of text turns its own alone (UAX 9, FSI and PDI).
export const quoted = (name) => `\u201c\u2068${name}\u2069\u201d`;
