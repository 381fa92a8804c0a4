// Everything about one device: how much, when, on what, with whom, where, whose; and what can be changed.

import { useEffect, useMemo, useState } from "preact/hooks";
import { Name, Owner } from "../components/device_name.js";
import { sentence } from "../components/events.js";
import { Answered, Card } from "../components/parts.js";
import { Scope, Span, scopeOf } from "../components/span_picker.js";
import { Details, Usage } from "../components/usage.js";
import { address } from "../lib/api.js";
import { deviceName } from "../lib/devices.js";
import { ago, moment, quoted } from "../lib/format.js";
import { html } from "../lib/html.js";
import { go, href } from "../lib/route.js";
import { spanOf, title } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";

export function Device({ today, about, household, route }) {
  const id = route.parts[1] ?? "";
  const answer = useAnswer(/^\d{1,15}$/.test(id) ? address(`devices/${id}`) : null);
  // What was edited is asked anew: the household is, after each edit.
  const known = household.devices.find((each) => String(each.id) === id);
  const version = JSON.stringify([known?.name, known?.person, known?.addresses?.length]);
  const shown = useMemo(
    () => html`<${Facts} id=${id} key=${id} version=${version} household=${household} />`,
    [id, version, household.people, household.events, household.toast, household.editable],
  );
  if (answer.fault?.status === 404)
    return html`<section class="card empty"><h2>There is no device ${id}</h2><p>It may have been merged with another device. <a href=${href(["devices"])}>All devices</a></p></section>`;
  const { query } = route;
  const { kind, span } = spanOf(query, today, about.billing);
  const scope = scopeOf(query);
  const turn = (more) => go(["device", id], { ...query, ...more });
  return html`<div class="view">
    ${shown}
    <${Span} kind=${kind} span=${span} today=${today} turn=${turn} />
    <div class="controls">
      <${Scope} scope=${scope} turn=${turn} />
      <a class="tool" href=${href(["live"], { device: id })}>Live graphs</a>
      <a class="tool" href=${href(["history"], { ...query, device: id, by: "service" })}>History</a>
    </div>
    <${Usage} title=${title(kind, span)} kind=${kind} span=${span} narrow=${{ device: id, scope: scope === "all" ? "" : scope }} turn=${turn} />
    <${Details} span=${span} narrow=${{ device: id, scope: scope === "all" ? "" : scope }} />
  </div>`;
}

// Name, owner, addresses, events; merge, split, forget.
function Facts({ id, version, household }) {
  const answer = useAnswer(address(`devices/${id}`));
  useEffect(() => answer.again(), [version, household.toast]);
  return html`<${Answered} answer=${answer}>${(device) => html`<${Known} device=${device} household=${household} again=${answer.again} />`}<//>`;
}

function Known({ device, household, again }) {
  const { people, change, events, devices } = household;
  const shown = deviceName(device);
  const owner = household.owners.get(device.id);
  const mine = events.filter((each) => each.device === device.id).slice(0, 8);
  const now = new Date().toISOString();
  return html`
    <header class="title"><h2 class="page"><${Name} device=${device} shown=${shown} change=${change} onEditing=${() => {}} fixed=${!household.editable} /></h2>
      <span class="controls"><${Owner} device=${device} shown=${shown} owner=${owner} people=${people} change=${change} fixed=${!household.editable} />
      ${owner && html`<a class="tool" href=${href(["person", people.find((each) => each.id === owner)?.name ?? ""])}>Owner\u2019s page</a>`}</span></header>
    <div class="panels">
      <${Card} title="Details" name="known" tone="half">
        <dl class="facts">
          <dt>MAC</dt><dd>${device.mac ?? "none seen"}</dd>
          <dt>Name source</dt><dd>${{ user: "you", config: "the configuration", host: "this machine", dhcp: "DHCP", mdns: "mDNS", llmnr: "LLMNR", netbios: "NetBIOS", dns: "DNS", vendor: "manufacturer of its network card", mac: "MAC address" }[device.name_source] ?? device.name_source ?? "unknown"}</dd>
          <dt>First seen</dt><dd>${moment(device.first_seen)}</dd>
          <dt>Last seen</dt><dd>${moment(device.last_seen)}</dd>
          ${device.owners.length > 0 && html`<dt>Owners</dt><dd>${device.owners.map((each) => `${each.name}${each.from ? ` from ${each.from}` : ""}${each.until ? ` until ${each.until}` : ""}`).join(", ")}</dd>`}
          <dt>Labels</dt><dd>${device.labels.map((each) => html`<a key=${each} class="tool" href=${href(["history"], { label: each })}><bdi>${each}</bdi></a> `)}${household.editable ? html`<${Labels} device=${device} change=${change} again=${again} />` : !device.labels.length && "none"}</dd>
        </dl>
        ${household.editable && people.length > 0 && html`<${Hand} device=${device} shown=${shown} people=${people} change=${change} again=${again} />`}
        ${household.editable && html`<${Mend} device=${device} shown=${shown} devices=${devices} change=${change} />`}
      <//>
      <${Addresses} device=${device} devices=${devices} change=${change} editable=${household.editable} again=${again} />
      ${mine.length > 0 && html`<${Card} title="Recent events" name="happened" tone="full"><ul class="happened">${mine.map((each) => html`<li key=${each.id}><bdi>${sentence(each)}</bdi><time datetime=${each.at}>${ago(each.at, now)}</time></li>`)}</ul><//>`}
    </div>`;
}

// Words to group devices by; a group's usage is that of the devices that have the word now.
function Labels({ device, change, again }) {
  const [text, setText] = useState(null);
  const keep = async (event) => {
    event.preventDefault();
    const labels = text
      .split(",")
      .map((each) => each.trim())
      .filter(Boolean);
    if (await change("PATCH", `api/v1/devices/${device.id}`, { labels }, "Labels saved")) {
      setText(null);
      again();
    }
  };
  if (text === null)
    return html`<button type="button" class="plain" onClick=${() => setText(device.labels.join(", "))}>${device.labels.length ? "change" : "add"}</button>`;
  return html`<form class="controls" onSubmit=${keep}><input type="text" aria-label="Labels, separated by commas" maxlength="255" value=${text} onInput=${(event) => setText(event.target.value)} /><button type="submit" class="tool">Save</button><button type="button" class="tool" onClick=${() => setText(null)}>Cancel</button></form>`;
}

function Addresses({ device, devices, change, editable, again }) {
  const [picked, pick] = useState([]);
  const [into, setInto] = useState("");
  const several = editable && device.episodes.length > 1;
  const others = devices.filter((each) => each.id !== device.id);
  const turn = (id) => pick(picked.includes(id) ? picked.filter((each) => each !== id) : [...picked, id]);
  const split = async () => {
    const other = others.find((each) => String(each.id) === into);
    const said = other ? `Addresses moved to ${quoted(deviceName(other))}` : "Addresses moved to a new device";
    if (
      await change(
        "POST",
        `api/v1/devices/${device.id}/split`,
        { episodes: picked, ...(other && { into: other.id }) },
        said,
      )
    ) {
      pick([]);
      again();
    }
  };
  const times = device.address_times ?? [];
  return html`<${Card} title="Addresses" name="addresses" tone="half">
    <div class="scroll" tabindex="0" role="group" aria-label="Addresses and their times"><table class="plain">
      <thead><tr>${several && html`<th scope="col"><span class="hidden">Choose</span></th>`}<th scope="col">Address</th><th scope="col">From</th><th scope="col">Until</th></tr></thead>
      <tbody>
        ${device.episodes.map((each) => html`<tr key=${each.id}>${several && html`<td><input type="checkbox" aria-label=${`Choose ${each.mac ?? each.address}`} checked=${picked.includes(each.id)} onChange=${() => turn(each.id)} /></td>`}<th scope="row">${each.mac ?? each.address ?? `episode ${each.id}`}</th><td>${moment(each.start)}</td><td>${each.end ? moment(each.end) : "now"}</td></tr>`)}
        ${times.map((each) => html`<tr key=${each.address}>${several && html`<td></td>`}<th scope="row">${each.address}</th><td>${moment(each.first)}</td><td>${moment(each.last)}</td></tr>`)}
      </tbody>
    </table></div>
    ${
      several &&
      html`<p class="note screen">Two devices shown as one? Tick the addresses of the other device.</p><div class="controls">
      <label class="pick">Move to <select value=${into} onChange=${(event) => setInto(event.target.value)}><option value="">a new device</option>${others.map((each) => html`<option key=${each.id} value=${each.id}>${deviceName(each)}</option>`)}</select></label>
      <button type="button" class="tool" disabled=${!picked.length || picked.length === device.episodes.length} onClick=${split}>Split</button></div>`
    }
  <//>`;
}

// A device that somebody else has from a day on; what it used before stays with who had it.
function Hand({ device, shown, people, change, again }) {
  const [person, setPerson] = useState("");
  const [from, setFrom] = useState("");
  const hand = async () => {
    const who = people.find((each) => String(each.id) === person);
    if (
      await change(
        "PATCH",
        `api/v1/devices/${device.id}`,
        { person: who.id, from },
        `${quoted(shown)} belongs to ${who.name} from ${from}`,
      )
    ) {
      setPerson("");
      again();
    }
  };
  return html`<div class="controls">
    <label class="pick">New owner <select value=${person} onChange=${(event) => setPerson(event.target.value)}><option value="">choose\u2026</option>${people.map((each) => html`<option key=${each.id} value=${each.id}>${each.name}</option>`)}</select></label>
    <label class="pick">from <input type="date" value=${from} onChange=${(event) => setFrom(event.target.value)} /></label>
    <button type="button" class="tool" disabled=${!person || !from} onClick=${hand}>Change owner</button>
  </div>`;
}

// Two entries that are one device, and a device nobody should know of any more.
function Mend({ device, shown, devices, change }) {
  const [into, setInto] = useState("");
  const [sure, setSure] = useState(false);
  const others = devices.filter((each) => each.id !== device.id);
  const merge = async () => {
    const other = others.find((each) => String(each.id) === into);
    if (
      await change(
        "POST",
        `api/v1/devices/${device.id}/merge`,
        { into: other.id },
        `${quoted(shown)} and ${quoted(deviceName(other))} merged`,
      )
    )
      go(["device", String(other.id)], {}, true);
  };
  const forget = async () => {
    if (await change("POST", `api/v1/devices/${device.id}/forget`, {}, "Forgotten")) go(["devices"], {}, true);
  };
  return html`<div class="controls">
    <label class="pick">Same device as <select value=${into} onChange=${(event) => setInto(event.target.value)}><option value="">choose\u2026</option>${others.map((each) => html`<option key=${each.id} value=${each.id}>${deviceName(each)}</option>`)}</select></label>
    <button type="button" class="tool" disabled=${!into} onClick=${merge}>Merge</button>
    ${sure ? html`<button type="button" class="tool danger" onClick=${forget}>Forget permanently: names, addresses and remote addresses</button><button type="button" class="tool" onClick=${() => setSure(false)}>Cancel</button>` : html`<button type="button" class="tool" onClick=${() => setSure(true)}>Forget\u2026</button>`}
  </div>`;
}
