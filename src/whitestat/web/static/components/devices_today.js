// The table of today's devices: sorted by any column, searched, unattributed traffic last.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { deviceLink, withoutMac } from "../lib/devices.js";
import { ago, octets, rate, share } from "../lib/format.js";
import { html } from "../lib/html.js";
import { unsplitRate, wholeRate } from "../stores/live.js";
import { Name, Owner } from "./device_name.js";
import { Arrow } from "./parts.js";

// `of` gives what a column is sorted by; figures start with the largest, text with A.
const COLUMNS = [
  { key: "name", label: "Device", of: shownName, text: true },
  { key: "in", label: "Download", of: (device) => device.octets_in, arrow: "in" },
  { key: "out", label: "Upload", of: (device) => device.octets_out, arrow: "out" },
  { key: "total", label: "Total", of: (device) => device.octets },
  { key: "share", label: "Share", of: (device) => device.octets },
  { key: "rate", label: "Speed now", of: (device) => wholeRate(device) ?? -1 },
  { key: "seen", label: "Last seen", of: (device) => device.last_seen && Date.parse(device.last_seen) },
];
const byText = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

export function Devices({ devices, at, stale, report, household }) {
  const [sort, setSort] = useState({ key: "total", descending: true });
  const [words, setWords] = useState("");
  const search = useRef(null);
  const order = useRef(null); // That of the rows while a name is edited: it must not move away.
  useSlashKey(search);

  const all = [...devices.values()];
  const whole = all.reduce((sum, each) => sum + each.octets, 0);
  const known = all.filter((each) => each.id !== null);
  const found = words.trim() ? all.filter((each) => matches(each, words, at, household)) : all;
  if (!all.some((each) => each.octets > 0)) return html`<${Empty} report=${report} />`;
  const rows = order.current ? inOrder(found, order.current) : sorted(found, sort);
  const ids = useRef([]);
  ids.current = rows.map((each) => each.id);
  const edit = useCallback((on) => (order.current = on ? ids.current : null), []);
  const made = useRef(new Map());
  const count = words.trim()
    ? `${found.filter((each) => each.id !== null).length} of ${known.length}`
    : `${known.length}`;
  return html`<section class="card devices" aria-labelledby="devices">
    <header>
      <h2 id="devices">Devices <span class="count" role="status">${count}</span></h2>
      <label class="search">
        <span class="hidden">Search devices by name, owner, MAC or IP address</span>
        <svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="7" cy="7" r="4.5" /><path d="m10.5 10.5 3.5 3.5" /></svg>
        <input ref=${search} type="search" placeholder="Search" autocomplete="off" spellcheck=${false} value=${words} onInput=${(event) => setWords(event.target.value)} />
        <kbd aria-hidden="true">/</kbd>
      </label>
    </header>
    <table role="table">
      <caption class="hidden">Internet data used by each device today</caption>
      <thead role="rowgroup"><tr role="row">
        ${COLUMNS.map((column) => html`<${Heading} key=${column.key} column=${column} sort=${sort} onSort=${setSort} />`)}
      </tr></thead>
      <tbody role="rowgroup">
        ${rows.map((each) => drawn(made.current, { device: each, whole, stale, seen: each.last_seen && ago(each.last_seen, at), owner: household.owners.get(each.id), people: household.people, editable: household.editable, change: household.change, onEditing: edit }))}
      </tbody>
    </table>
    ${!found.length && html`<p class="lone">No device matches \u201c<bdi>${words.trim()}</bdi>\u201d. <button type="button" class="plain" onClick=${() => setWords("")}>Show all</button></p>`}
  </section>`;
}

// The row of a device, and the same one again while nothing in it changed: sorting moves rows and makes none.
function drawn(made, props) {
  const held = made.get(props.device.id);
  if (held && Object.keys(props).every((each) => held.props[each] === props[each])) return held.row;
  const row = html`<${Row} key=${props.device.id ?? "nobody"} ...${props} />`;
  made.set(props.device.id, { props, row });
  return row;
}

function Heading({ column, sort, onSort }) {
  const active = sort.key === column.key;
  const direction = sort.descending ? "descending" : "ascending";
  const press = () => onSort({ key: column.key, descending: active ? !sort.descending : !column.text });
  return html`<th role="columnheader" scope="col" class=${column.key} aria-sort=${active ? direction : "none"}>
    <button type="button" onClick=${press}>${column.arrow && html`<${Arrow} way=${column.arrow} />`}${column.label}<i class="way" aria-hidden="true"></i></button>
  </th>`;
}

function Row({ device, whole, seen, stale, owner, people, editable, change, onEditing }) {
  const nobody = device.id === null;
  const shown = shownName(device);
  const rated = wholeRate(device);
  const busy = rated > 0;
  const width = (part) => ({ width: whole ? `${(part / whole) * 100}%` : 0 });
  const unsplit = device.octets - (device.octets_in ?? 0) - (device.octets_out ?? 0);
  return html`<tr role="row" class=${nobody ? "nobody" : busy ? "busy" : ""}>
    <th role="rowheader" scope="row" class="name">
      <span class="first">
        ${nobody ? html`<bdi class="label" title=${shown}>${shown}</bdi>` : html`<${Name} device=${device} shown=${withoutMac(shown)} change=${change} onEditing=${onEditing} fixed=${!editable} />`}
        ${!nobody && html`<a class="open" href=${deviceLink(device.id)} aria-label=${`Details of ${shown}`}></a>`}
      </span>
      <span class="under">
        <span class="below">${nobody ? "traffic not matched to any device" : device.mac !== shown && device.mac}</span>
        ${!nobody && html`<${Owner} device=${device} shown=${shown} owner=${owner} people=${people} change=${change} fixed=${!editable} />`}
      </span>
    </th>
    <td role="cell" class="in">${octets(device.octets_in)}</td>
    <td role="cell" class="out">${octets(device.octets_out)}</td>
    <td role="cell" class="total">${octets(device.octets)}</td>
    <td role="cell" class="share">
      <span class="bar" aria-hidden="true"><i class="in" style=${width(device.octets_in ?? 0)}></i><i class="out" style=${width(device.octets_out ?? 0)}></i>${unsplit > 0 && html`<i style=${width(unsplit)}></i>`}</span>
      <span class="part">${share(device.octets, whole)}</span>
    </td>
    <td role="cell" class="rate">${stale || rated === null ? "\u2013" : busy ? html`<${Rates} device=${device} />` : html`<span class="idle">idle</span>`}</td>
    <td role="cell" class="seen">${nobody ? "" : html`<time datetime=${device.last_seen} title=${device.last_seen}>${seen ?? "\u2013"}</time>`}</td>
  </tr>`;
}

function Rates({ device }) {
  const unsplit = unsplitRate(device);
  const split = device.rate_in_bps + device.rate_out_bps > 0 || !unsplit;
  return html`${split && html`<span class="down">${rate(device.rate_in_bps)}</span>${" "}<span class="up">${rate(device.rate_out_bps)}</span>`}${split && unsplit > 0 && " "}${unsplit > 0 && html`<span class="unsplit" title="Download and upload combined">${rate(unsplit)}</span>`}`;
}

// What to do while there is nothing to show.
function Empty({ report }) {
  const points = report?.points ?? [];
  return html`<section class="card empty">
    <h2>No data used yet today</h2>
    <p>Open any web page on a device whose traffic passes through this machine. The device appears here within two seconds.</p>
    ${points.length > 0 && html`<ul>${points.map((each) => html`<li key=${each.point}><b>${each.point}</b> ${each.interface ? `on ${each.interface} ` : ""}<span class="state">${each.state}</span></li>`)}</ul>`}
    <p>If it stays empty, run <code>whitestat check</code> on this machine. It reports what each measuring point sees and what is missing.</p>
  </section>`;
}

function sorted(devices, { key, descending }) {
  const { of, text } = COLUMNS.find((column) => column.key === key);
  const turn = descending ? -1 : 1;
  return [...devices].sort((a, b) => {
    if ((a.id === null) !== (b.id === null)) return a.id === null ? 1 : -1;
    const [left, right] = [of(a), of(b)];
    if (left == null || right == null) return (left == null) - (right == null) || a.id - b.id;
    return turn * (text ? byText(left, right) : left - right) || b.octets - a.octets || a.id - b.id;
  });
}

// As they were, those that are new at the end.
function inOrder(devices, ids) {
  const place = (device) => ids.indexOf(device.id) + 1 || ids.length + 1;
  return [...devices].sort((a, b) => place(a) - place(b));
}

// In every column a row has, and in the addresses that the device had.
function matches(device, words, at, { devices, people, owners }) {
  const addresses = devices.find((each) => each.id === device.id)?.addresses ?? [];
  const owner = people.find((each) => each.id === owners.get(device.id))?.name ?? "";
  const figures = [device.octets_in, device.octets_out, device.octets].map(octets);
  const seen = device.last_seen ? ago(device.last_seen, at) : "";
  const text = [shownName(device), device.mac ?? "", owner, ...addresses, ...figures, seen]
    .join(" ")
    .toLocaleLowerCase();
  return words
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function shownName(device) {
  if (device.id === null) return "Unattributed";
  return device.name?.trim() || device.mac || `device ${device.id}`;
}

// The slash key, as on many pages with one search box, goes there.
function useSlashKey(search) {
  useEffect(() => {
    const press = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
      event.preventDefault();
      search.current?.focus();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}
