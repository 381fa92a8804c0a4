// The settings as the page groups and words them, and their values as text; pure.

// [address, title, sentence, beginnings of the keys, tables] of each section.
export const SECTIONS = [
  ["points", "Where it measures", "What WhiteStat looks at, and the routers it asks.", [], ["point"]],
  ["networks", "Networks", "What belongs to your house.", ["lan."], []],
  ["plans", "Plans and tariffs", "How much data there is, and at which times.", [], ["plan"]],
  ["people", "People and names", "Devices that have a name and an owner from the start.", [], ["device"]],
  ["warnings", "Warnings", "When something raises an alert.", ["watch."], []],
  ["messages", "Messages", "What is sent to you, and when.", ["notify."], []],
  ["period", "Billing day and time", "When a billing period begins.", ["billing.", "timezone"], []],
  ["kept", "How long it is kept", "Months are kept for ever.", ["store.retention.", "store.flush", "store.detail"], []],
  ["access", "Who may look", "Where the page is, and who needs no log-in.", ["web."], []],
  ["backups", "Backups and files", "Where the data is.", ["store.path", "store.old", "csv.", "service."], []],
];

const WORDS = {
  timezone: "Time zone",
  "billing.day": "Billing day",
  "billing.hour": "Begins at this hour",
  "watch.percent": "Warn at these percentages",
  "watch.forecast": "Warn when it will not last",
  "watch.burst": "Warn at this much in an hour",
  "watch.unreachable": "Warn when a point does not answer for",
  "watch.coverage": "Warn below this share of watched data",
  "watch.daily": "Daily summary at",
  "watch.period": "Summary at the end of a period",
  "watch.off": "Switched off",
  "notify.to": "Send messages to",
  "notify.file": "File of addresses",
  "notify.quiet": "Quiet hours",
  "notify.devices": "Messages about new devices",
  "web.listen": "Address of the page",
  "web.open": "Networks that may look without a log-in",
  "web.edit": "Networks that may edit without a log-in",
  "lan.networks": "Networks of the house",
  "lan.hear": "Listen for names of devices",
  "csv.folder": "Folder of CSV logs",
  "store.flush": "Write every",
  "store.detail": "Write services every",
  "store.path": "Database",
  "point.password": "Password",
  "point.url": "Address of the router",
  "plan.of": "Applies to",
  "plan.when_over": "When nothing is left",
};

// `watch.off` is "Switched off"; a key without a word of its own is its last part with spaces.
export function label(table, name) {
  const last = name.split(".").at(-1).replaceAll("_", " ");
  return WORDS[table ? `${table}.${name}` : name] ?? last[0].toUpperCase() + last.slice(1);
}

const COMMON = {
  point: ["collector", "interface", "url", "username", "password", "interval"],
  plan: ["allowance", "period", "begins", "of", "shares", "when_over"],
};

// Whether most households set it.
export const isCommon = (table, key) => COMMON[table]?.includes(key) ?? true;

export function inSection([, , , beginnings], settings) {
  const fits = (name, start) => (start.endsWith(".") ? name.startsWith(start) : name === start);
  return settings.filter(({ name }) => beginnings.some((start) => fits(name, start)));
}

// The words of "one of kernel, packet, ...", null for another kind.
export const choices = ({ kind }) => (kind.startsWith("one of ") ? kind.slice(7).split(", ") : null);

export const text = (value) => (Array.isArray(value) ? value.join(", ") : value === null ? "" : String(value ?? ""));

// What was typed as TOML has it; null, the default, for nothing.
export function typed({ types }, given) {
  const words = given.trim();
  if (!words) return null;
  if (types.includes("list"))
    return words
      .split(",")
      .flatMap((part) => part.trim() || [])
      .map(number);
  return types.includes("int") ? number(words) : words;
}

const number = (words) => (/^[0-9]{1,15}$/.test(words) ? Number(words) : words);

// A row with a key changed; without it for null.
export function changed(row, key, value) {
  const { [key]: _, ...others } = row;
  return value === null ? others : { ...row, [key]: value };
}

// Two values that are the same to TOML.
export const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
