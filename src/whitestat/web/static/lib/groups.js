// Rows of the API added up by device, person, service, protocol, address or point, and by step.

import { deviceLink, deviceName } from "./devices.js";
import { href } from "./route.js";

const TONES = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
export const BY = { device: "Device", person: "Person", service: "Service", point: "Point" };

const KNOWN = {
  device: (row) => ({
    key: row.device ? String(row.device.id) : "nobody",
    name: row.rest ? "All others" : deviceName(row.device),
    device: row.device,
    last: !row.device,
  }),
  person: (row) => ({
    key: row.person ?? "nobody",
    name: row.person ?? "No owner",
    person: row.person,
    last: !row.person,
  }),
  point: (row) => ({ key: row.point ?? "nowhere", name: row.point ?? "\u2013", point: row.point }),
  service: (row) => ({
    key: `${row.service}`,
    name: row.service === null ? "Not classified" : row.service === "other" ? "Other services" : row.service,
    service: row.service,
    last: row.service === null || row.service === "other",
  }),
  protocol: (row) => ({
    key: `${row.protocol}`,
    name: row.protocol === null ? "Not classified" : row.protocol,
    protocol: row.protocol,
    last: row.protocol === null,
  }),
  peer: (row) => ({
    key: `${row.peer}`,
    name: row.peer === null ? "Not classified" : row.peer === "other" ? "All smaller addresses" : row.peer,
    peer: row.peer,
    last: row.peer === null || row.peer === "other",
  }),
};

const nothing = () => ({ octets: 0, octets_in: 0, octets_out: 0, packets_in: 0, packets_out: 0 });

// Null if one of them is: a meter that counts both directions as one number leaves both unknown.
const plus = (a, b) => (a === null || b === null ? null : a + (b ?? 0));
export const sum = (rows, key) => rows.reduce((all, row) => plus(all, row[key]), 0);

// Groups of rows, the largest first: {key, name, octets, ..., steps: Map of octets by step}.
export function grouped(rows, by, stepOf = (start) => start) {
  const found = new Map();
  for (const row of rows) {
    const about = KNOWN[by](row);
    const group = found.get(about.key) ?? { ...about, ...nothing(), steps: new Map() };
    for (const each of Object.keys(nothing())) group[each] = plus(group[each], row[each]);
    const step = stepOf(row.start);
    group.steps.set(step, (group.steps.get(step) ?? 0) + row.octets);
    found.set(about.key, group);
  }
  return [...found.values()].sort((a, b) => Boolean(a.last) - Boolean(b.last) || b.octets - a.octets);
}

// The largest groups as series of a chart, and all others as one.
export function series(groups, steps) {
  const large = groups.filter((each) => !each.last).slice(0, TONES.length);
  const others = groups.filter((each) => !large.includes(each));
  const found = large.map((each, at) => ({
    name: each.name,
    tone: TONES[at],
    pick: each,
    values: steps.map((step) => each.steps.get(step) ?? 0),
  }));
  if (others.length === 1)
    found.push({
      name: others[0].name,
      tone: "c8",
      pick: others[0],
      values: steps.map((step) => others[0].steps.get(step) ?? 0),
    });
  if (others.length > 1)
    found.push({
      name: `${others.length} others`,
      tone: "c8",
      values: steps.map((step) => others.reduce((sum, each) => sum + (each.steps.get(step) ?? 0), 0)),
    });
  return found;
}

// Where the page of a group is, null where it has none.
export function linkOf(group, query) {
  if (group.device) return deviceLink(group.device.id, query);
  if (group.person) return href(["person", group.person], query);
  if (group.service && group.service !== "other") return href(["services"], { ...query, service: group.service });
  return null;
}
