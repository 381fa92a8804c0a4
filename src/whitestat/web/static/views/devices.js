// Devices and people: everything known, what was edited, and the page of one person.

import { useEffect, useMemo, useState } from "preact/hooks";
import { Name, Owner } from "../components/device_name.js";
import { sentence } from "../components/events.js";
import { Answered, Card, Shares } from "../components/parts.js";
import { Span } from "../components/span_picker.js";
import { Table } from "../components/table.js";
import { address } from "../lib/api.js";
import { deviceLink, deviceName, withoutMac } from "../lib/devices.js";
import { ago, capital, moment, octets, quoted } from "../lib/format.js";
import { grouped } from "../lib/groups.js";
import { html } from "../lib/html.js";
import { go, href } from "../lib/route.js";
import { spanOf, title } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";

const EDITS_SHOWN = 12;
const EVENTS_SHOWN = 30;

// The one people know: IPv4, else IPv6 that is valid beyond the link.
function shownAddress({ addresses }) {
  return (
    addresses.find((each) => !each.includes(":")) ??
    addresses.find((each) => !each.startsWith("fe80:")) ??
    addresses[0] ??
    ""
  );
}

export function Devices({ today, about, household, route }) {
  const { query } = route;
  const { kind, span } = spanOf(query, today, about.billing, "cycle");
  const turn = (more) => go(["devices"], { ...query, ...more });
  const used = useAnswer(address("usage", { ...span, by: "device", scope: "wan" }));
  const persons = useAnswer(address("usage", { ...span, by: "person", scope: "wan" }));
  return html`<div class="view">
    <header><h2 class="page">Devices and people</h2></header>
    <${Span} kind=${kind} span=${span} today=${today} turn=${turn} />
    <${Persons} household=${household} answer=${persons} query=${query} name=${title(kind, span)} />
    <${All} household=${household} used=${used} query=${query} name=${title(kind, span)} today=${today} />
    <div class="panels">
      <${Edited} household=${household} />
      <${Events} household=${household} />
    </div>
  </div>`;
}

function Persons({ household, answer, query, name }) {
  const { people, loaded, change } = household;
  const [text, setText] = useState("");
  const add = async (event) => {
    event.preventDefault();
    if (text.trim() && (await change("POST", "api/v1/people", { name: text.trim() }, `${quoted(text.trim())} added`)))
      setText("");
  };
  const sums = new Map((answer.data ? grouped(answer.data.rows, "person") : []).map((each) => [each.key, each.octets]));
  const whole = [...sums.values()].reduce((sum, each) => sum + each, 0);
  const rows = people
    .map((each) => ({
      key: each.id,
      name: each.name,
      octets: sums.get(each.name) ?? 0,
      link: href(["person", each.name], query),
    }))
    .sort((a, b) => b.octets - a.octets);
  if (sums.get("nobody")) rows.push({ key: "nobody", name: "No owner", octets: sums.get("nobody"), nobody: true });
  return html`<${Card} title=${`People, ${name}`} name="people">
    ${people.length ? html`<${Shares} rows=${rows} whole=${whole} label="People by data used" />` : loaded.includes("people") && html`<p class="lone small">No people yet. Add a person, then choose the owner of each device below.</p>`}
    ${household.editable && html`<form class="controls" onSubmit=${add}><label class="pick">New person <input type="text" maxlength="255" autocomplete="off" value=${text} onInput=${(event) => setText(event.target.value)} /></label><button type="submit" class="tool" disabled=${!text.trim()}>Add</button></form>`}
  <//>`;
}

function All({ household, used, query, name }) {
  const { devices, people, owners, change } = household;
  const sums = useMemo(
    () => new Map((used.data ? grouped(used.data.rows, "device") : []).map((each) => [each.key, each])),
    [used.data],
  );
  const rows = useMemo(
    () =>
      devices.map((each) => ({
        key: each.id,
        device: each,
        name: deviceName(each),
        used: sums.get(String(each.id))?.octets ?? 0,
        person: people.find((one) => one.id === owners.get(each.id))?.name ?? each.person ?? "",
      })),
    [devices, sums, people],
  );
  const now = new Date().toISOString();
  const columns = [
    {
      key: "name",
      label: "Device",
      text: true,
      of: (row) => row.name,
      cell: (row) =>
        html`<span class="first"><${Name} device=${row.device} shown=${withoutMac(row.name)} change=${change} onEditing=${() => {}} fixed=${!household.editable} /><a class="open" href=${deviceLink(row.key, query)} aria-label=${`Details of ${row.name}`}></a></span>`,
    },
    {
      key: "person",
      label: "Owner",
      text: true,
      of: (row) => row.person,
      cell: (row) =>
        html`<${Owner} device=${row.device} shown=${row.name} owner=${owners.get(row.key)} people=${people} change=${change} fixed=${!household.editable} />`,
    },
    {
      key: "used",
      label: "Used",
      whole: name,
      of: (row) => row.used,
      cell: (row) => octets(row.used),
      total: (found) => octets(found.reduce((sum, row) => sum + row.used, 0)),
    },
    { key: "mac", label: "MAC", text: true, of: (row) => row.device.mac, cell: (row) => row.device.mac ?? "\u2013" },
    {
      key: "address",
      label: "Address",
      text: true,
      of: (row) => shownAddress(row.device),
      cell: (row) =>
        html`<span title=${row.device.addresses.join(", ")}>${shownAddress(row.device) || "\u2013"}${row.device.addresses.length > 1 ? ` +${row.device.addresses.length - 1}` : ""}</span>`,
    },
    {
      key: "first",
      label: "First seen",
      of: (row) => Date.parse(row.device.first_seen),
      cell: (row) => moment(row.device.first_seen),
    },
    {
      key: "last",
      label: "Last seen",
      of: (row) => Date.parse(row.device.last_seen),
      cell: (row) => ago(row.device.last_seen, now),
    },
  ];
  const lines = () => [
    ["id", "name", "person", "mac", "addresses", "first_seen", "last_seen", "octets"],
    ...rows.map((row) => [
      row.key,
      row.device.name,
      row.person,
      row.device.mac,
      row.device.addresses.join(" "),
      row.device.first_seen,
      row.device.last_seen,
      row.used,
    ]),
  ];
  return html`<${Table} title="Devices" name="devices" columns=${columns} rows=${rows} start=${{ key: "used", descending: true }} words=${(row) => `${row.name} ${row.person} ${row.device.mac ?? ""} ${row.device.addresses.join(" ")}`}
    empty=${household.loaded.includes("devices") ? "No devices yet. Open any web page on a device whose traffic passes through this machine." : ""} save=${{ lines, file: "whitestat-devices" }} />`;
}

function Edited({ household }) {
  const answer = useAnswer(address("edits"));
  useEffect(() => answer.again(), [household.devices, household.people]);
  const undo = async (edit) => {
    await household.undo(edit);
    answer.again();
  };
  const now = new Date().toISOString();
  return html`<${Card} title="Recent changes" name="edits" tone="half">
    <${Answered} answer=${answer} empty="No changes yet. New names, owners and merges are listed here and can be undone.">${(
      data,
    ) =>
      data.edits.length > 0 &&
      html`<ul class="happened">${data.edits.slice(0, EDITS_SHOWN).map(
        (each) => html`<li key=${each.id}>
      <span><bdi>${editSentence(each, household)}</bdi> <span class="count">by ${each.by}, ${ago(each.at, now)}</span></span>
      ${each.undone_by ? html`<span class="count">undone</span>` : !each.undoes && each.changes.length > 0 && household.editable && html`<button type="button" class="tool" aria-label=${`Undo: ${editSentence(each, household)}`} onClick=${() => undo(each.id)}>Undo</button>`}</li>`,
      )}</ul>`}<//>
  <//>`;
}

// What an edit did, by the names that are known now.
function editSentence({ action, changes, undoes }, household) {
  if (undoes) return `Undid an earlier change (${undoes})`;
  const [first] = changes;
  const word = (row) => (row ? row.filter((each) => each !== null).join(" ") : "");
  const device = (id) => deviceName(household.devices.find((each) => each.id === id) ?? { id });
  if (!first) return capital(action);
  if (first.what === "name")
    return `${word(first.before) || `Device ${first.key[0]}`}: ${first.after ? `renamed to ${word(first.after)}` : "name removed"}`;
  const owner = changes.find((each) => each.what === "owner");
  if (owner)
    return `${device(owner.key[0])}: ${owner.after ? `owner ${household.people.find((each) => each.id === owner.after[0])?.name ?? ""}` : "no owner"}`;
  if (first.what === "episode")
    return `${capital(action)}: ${device(first.before?.[0])} \u2192 ${device(first.after?.[0])}`;
  if (first.what === "label") return `${device(first.key[0])}: labels`;
  return `${capital(action)}${first.what === "person" ? `: ${word(first.after) || word(first.before)}` : ""}`;
}

function Events({ household: { events, loaded } }) {
  const now = new Date().toISOString();
  return html`<${Card} title="Recent events" name="happened" tone="half">
    ${events.length ? html`<ul class="happened">${events.slice(0, EVENTS_SHOWN).map((each) => html`<li key=${each.id}>${each.device ? html`<a href=${deviceLink(each.device)}><bdi>${sentence(each)}</bdi></a>` : html`<bdi>${sentence(each)}</bdi>`}<time datetime=${each.at} title=${each.at}>${ago(each.at, now)}</time></li>`)}</ul>` : loaded.includes("events") && html`<p class="lone small">No events yet. New devices and warnings appear here.</p>`}
  <//>`;
}
