// A name that can be edited where it stands, and the list of whose the device is.

import { useEffect, useRef, useState } from "preact/hooks";
import { quoted } from "../lib/format.js";
import { html } from "../lib/html.js";

const NEW = "new";

// Double click, F2 or Enter edits; Enter keeps, Escape leaves. `onEditing` tells when one begins and ends.
export function Name({ device, shown, change, onEditing, fixed }) {
  const [editing, setEditing] = useState(false);
  const label = useRef(null);
  const turn = (on) => {
    setEditing(on);
    onEditing(on);
  };
  const keep = async (text) => {
    turn(false);
    requestAnimationFrame(() => label.current?.focus());
    if (text !== null && text !== shown)
      await change(
        "PATCH",
        `api/v1/devices/${device.id}`,
        { name: text },
        text ? `${quoted(shown)} renamed to ${quoted(text)}` : `Name ${quoted(shown)} removed`,
      );
  };
  if (fixed) return html`<bdi class="label" title=${shown}>${shown}</bdi>`;
  if (editing) return html`<${Line} text=${shown} label=${`New name of ${shown}`} done=${keep} />`;
  const press = (event) => {
    if (event.key !== "Enter" && event.key !== "F2") return;
    event.preventDefault();
    turn(true);
  };
  // A click without a pointer is that of a screen reader.
  return html`<bdi ref=${label} class="label editable" tabindex="0" role="button" aria-keyshortcuts="F2 Enter" title=${`${shown}: double-click or press F2 to rename`} onDblClick=${() => turn(true)} onKeyDown=${press} onClick=${(event) => event.detail === 0 && turn(true)}>${shown}</bdi>`;
}

export function Owner({ device, shown, owner, people, change, fixed }) {
  const [adding, setAdding] = useState(false);
  const give = (person, said) => change("PATCH", `api/v1/devices/${device.id}`, { person }, said);
  const choose = async (event) => {
    const chosen = event.target.value;
    event.target.value = owner ?? "";
    if (chosen === NEW) setAdding(true);
    else if (chosen === "") await give(null, `${quoted(shown)} now has no owner`);
    else
      await give(
        Number(chosen),
        `${quoted(shown)} now belongs to ${people.find((each) => each.id === Number(chosen)).name}`,
      );
  };
  const add = async (name) => {
    setAdding(false);
    if (name) await give(name, `${quoted(shown)} now belongs to ${name}`);
  };
  if (fixed) return html`<bdi class="below">${people.find((each) => each.id === owner)?.name}</bdi>`;
  if (adding) return html`<${Line} text="" label=${`Name of the owner of ${shown}`} done=${add} small />`;
  return html`<select class=${owner ? "owner" : "owner none"} aria-label=${`Owner of ${shown}`} value=${owner ?? ""} onChange=${choose}>
    <option value="">${owner ? "no owner" : "set owner"}</option>
    ${people.map((each) => html`<option key=${each.id} value=${each.id}>${each.name}</option>`)}
    <option value=${NEW}>new person\u2026</option>
  </select>`;
}

// One line to type; `done` gets the text, or null where it was left.
function Line({ text, label, done, small }) {
  const input = useRef(null);
  const over = useRef(false);
  useEffect(() => {
    input.current.focus();
    input.current.select();
  }, []);
  const end = (value) => {
    if (over.current) return;
    over.current = true;
    done(value);
  };
  const press = (event) => {
    if (event.key === "Enter") end(input.current.value.trim());
    if (event.key === "Escape") end(null);
  };
  return html`<input ref=${input} class=${small ? "line small" : "line"} type="text" dir="auto" maxlength="255" autocomplete="off" spellcheck=${false} aria-label=${label} placeholder=${small ? "Name" : ""} defaultValue=${text} onKeyDown=${press} onBlur=${() => end(null)} />`;
}
