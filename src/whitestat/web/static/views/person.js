// One person: usage, devices, events.

import { useState } from "preact/hooks";
import { Name } from "../components/device_name.js";
import { sentence } from "../components/events.js";
import { Answered, Card, Shares } from "../components/parts.js";
import { Span } from "../components/span_picker.js";
import { Details, Usage } from "../components/usage.js";
import { address } from "../lib/api.js";
import { deviceLink } from "../lib/devices.js";
import { ago, quoted } from "../lib/format.js";
import { grouped } from "../lib/groups.js";
import { html } from "../lib/html.js";
import { go, href } from "../lib/route.js";
import { spanOf, title } from "../lib/span.js";
import { useAnswer } from "../stores/answer.js";

export function Person({ today, about, household, route }) {
  const { people, change } = household;
  const who = route.parts[1] ?? "";
  const person = people.find((each) => each.name === who);
  const { query } = route;
  const { kind, span } = spanOf(query, today, about.billing);
  const turn = (more) => go(["person", who], { ...query, ...more });
  const used = useAnswer(person ? address("usage", { ...span, by: "device", scope: "wan", person: who }) : null);
  const [sure, setSure] = useState(false);
  if (!person && !household.loaded.includes("people")) return null; // The frame shows why, or it is on its way.
  if (!person)
    return html`<section class="card empty"><h2>No person called ${who}</h2><p>The name may have been changed. <a href=${href(["devices"])}>All people</a></p></section>`;
  const rename = async (method, _path, { name }) => {
    const done =
      name &&
      (await change(method, `api/v1/people/${person.id}`, { name }, `${quoted(who)} renamed to ${quoted(name)}`));
    if (done) go(["person", name], query, true);
  };
  const remove = async () => {
    if (await change("DELETE", `api/v1/people/${person.id}`, {}, `${quoted(who)} removed`)) go(["devices"], {}, true);
  };
  const mine = new Set(person.devices.filter((each) => each.until === null).map((each) => each.id));
  const events = household.events.filter((each) => mine.has(each.device)).slice(0, 8);
  const now = new Date().toISOString();
  return html`<div class="view">
    <header class="title"><h2 class="page"><${Name} device=${{ id: person.id }} shown=${who} change=${rename} onEditing=${() => {}} fixed=${!household.editable} /></h2>
      ${household.editable && (sure ? html`<span class="controls"><button type="button" class="tool danger" onClick=${remove}>Remove; the devices will have no owner</button><button type="button" class="tool" onClick=${() => setSure(false)}>Cancel</button></span>` : html`<button type="button" class="tool" onClick=${() => setSure(true)}>Remove\u2026</button>`)}</header>
    <${Span} kind=${kind} span=${span} today=${today} turn=${turn} />
    <${Usage} title=${title(kind, span)} kind=${kind} span=${span} narrow=${{ person: who, scope: "wan" }} turn=${turn} />
    <div class="panels">
      <${Card} title="Data used by device" name="owned" tone="half"><${Answered} answer=${used} empty="No data was used in this period.">${(
        data,
      ) => {
        const groups = grouped(data.rows, "device");
        const whole = groups.reduce((sum, each) => sum + each.octets, 0);
        return groups.length
          ? html`<${Shares} rows=${groups.map((each) => ({ ...each, link: each.device && deviceLink(each.device.id, query) }))} whole=${whole} label="Devices by data used" />`
          : null;
      }}<//><//>
      <${Card} title="Owned devices" name="owns" tone="half">
        ${person.devices.length ? html`<ul class="happened">${person.devices.map((each) => html`<li key=${`${each.id} ${each.from}`}><a href=${deviceLink(each.id, query)}><bdi>${each.name}</bdi></a><span class="count">${each.from ? `from ${each.from}` : "from the start"}${each.until ? ` until ${each.until}` : ""}</span></li>`)}</ul>` : html`<p class="lone small">No device yet: choose an owner on the page of a device.</p>`}
        ${events.length > 0 && html`<ul class="happened">${events.map((each) => html`<li key=${each.id}><bdi>${sentence(each)}</bdi><time datetime=${each.at}>${ago(each.at, now)}</time></li>`)}</ul>`}
      <//>
    </div>
    <${Details} span=${span} narrow=${{ person: who, scope: "wan" }} />
  </div>`;
}
