// The fields of settings: a label with its help, default and what fixes it, and the rows of points, plans and devices.

import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { changed, choices, isCommon, label, same, text, typed } from "../lib/settings.js";

// `at` makes ids of the document unique; `onChange` is given the value, null for the default.
export function Field({ one, table, at, value, fixed, before, onChange, hasSecret }) {
  const id = `set-${at}-${one.name}`.replace(/[^a-z0-9_-]/gi, "-");
  const isFixed = fixed || !one.page_may_set;
  const isChanged = !isFixed && !same(value, before);
  return html`<div class="setting">
    <label for=${id}>${label(table, one.name)}${isChanged && html` <em>Changed, not saved</em>`}</label>
    <div>
      ${isFixed ? html`<input id=${id} type="text" readonly value=${text(value)} aria-describedby=${`${id}-help`} />` : html`<${Input} id=${id} one=${one} value=${value} onChange=${onChange} hasSecret=${hasSecret} />`}
      <p id=${`${id}-help`} class="note">${one.help.replaceAll("`", "")} ${!one.is_required && !one.is_secret && `Default: ${plain(one.default)}.`}
        ${fixed ? html` <b>Fixed by <bdi>${fixed}</bdi>.</b>` : isFixed && html` <b>Only the configuration file may set it.</b>`}</p>
    </div>
  </div>`;
}

// A default or an example of TOML in words.
function plain(toml) {
  const words = toml.replaceAll(/[`"]/g, "").replace(/^\[(.*)\]$/, "$1");
  return { "": "none", true: "yes", false: "no" }[words] ?? words;
}

function Input({ id, one, value, onChange, hasSecret }) {
  const more = { id, "aria-describedby": `${id}-help` };
  const words = one.types.includes("bool") ? ["true", "false"] : choices(one);
  if (words)
    return html`<select ...${more} value=${text(value)} onChange=${({ target }) => onChange(one.types.includes("bool") && target.value ? target.value === "true" : target.value || null)}>
      <option value="">${one.is_required ? "Choose" : `Default (${plain(one.default)})`}</option>
      ${words.map((word) => html`<option key=${word} value=${word}>${{ true: "Yes", false: "No" }[word] ?? word}</option>`)}</select>`;
  if (one.is_secret)
    return html`<input ...${more} type="password" autocomplete="new-password" placeholder=${hasSecret ? "Stored; type to replace it" : one.example ? `for example ${plain(one.example)}` : ""} onInput=${({ target }) => onChange(target.value ? (one.types.includes("list") ? typed(one, target.value) : target.value) : undefined)} />`;
  return html`<input ...${more} type="text" autocomplete="off" spellcheck="false" value=${text(value)} placeholder=${one.example ? `for example ${plain(one.example)}` : plain(one.default)} onChange=${({ target }) => onChange(typed(one, target.value))} />`;
}

// The rows of a table of tables, those that the file fixes too. `drafts` has what is not saved, by `plan.line`.
export function Rows({ table, parts, drafts, onDraft, tool }) {
  const [name, setName] = useState("");
  const first = table.keys[0];
  const known = new Map(table.rows.map((row) => [row.name, row]));
  const names = [...new Set([...known.keys(), ...newNames(table, drafts)])];
  const add = (event) => {
    event.preventDefault();
    if (name.trim() && !known.has(name.trim())) onDraft(`${table.name}.${name.trim()}`, { [first.name]: name.trim() });
    setName("");
  };
  return html`<p class="note">${table.help}</p>
    ${names.map((each) => html`<${Row} key=${each} tool=${tool} table=${table} parts=${parts} name=${each} row=${known.get(each)} draft=${drafts[`${table.name}.${each}`]} onDraft=${(values) => onDraft(`${table.name}.${each}`, values)} />`)}
    <form class="controls" onSubmit=${add}><label class="pick">New ${table.name}: ${label(table.name, first.name).toLowerCase()}
      <input type="text" value=${name} placeholder=${plain(first.example ?? "")} onInput=${({ target }) => setName(target.value)} /></label>
      <button class="field" disabled=${!name.trim()}>Add</button></form>`;
}

const newNames = (table, drafts) =>
  Object.keys(drafts)
    .filter((name) => name.startsWith(`${table.name}.`) && drafts[name])
    .map((name) => name.slice(table.name.length + 1));

function Row({ table, parts, name, row, draft, onDraft, tool }) {
  const before = row?.values ?? {};
  const values = draft ?? before;
  const id = `${table.name}-${name}`;
  if (draft === null)
    return html`<p class="notice"><span><bdi>${name}</bdi> goes when you save. <button type="button" class="plain" onClick=${() => onDraft(undefined)}>Keep it</button></span></p>`;
  // Of a fixed row what it sets; a key for few comes below "More".
  const shown = table.keys
    .slice(1)
    .filter((one) => !row?.fixed_by || one.name in values || row.secrets.includes(one.name));
  const rare = shown.filter((one) => !isCommon(table.name, one.name));
  const all = { table, id, values, before, row, onDraft };
  return html`<details class="row" open=${Boolean(draft) && !row}>
    <summary><bdi>${name}</bdi>${row?.fixed_by && html` <small>Fixed by <bdi>${row.fixed_by}</bdi></small>`}${draft && html` <em>Changed, not saved</em>`}</summary>
    <${Fields} keys=${shown.filter((one) => isCommon(table.name, one.name))} ...${all} />
    ${rare.length > 0 && html`<details class="more"><summary>More</summary><${Fields} keys=${rare} ...${all} /></details>`}
    ${parts.map((part) => html`<${Part} key=${part.name} part=${part} at=${id} rows=${values[part.name.split(".")[1]] ?? []} fixed=${row?.fixed_by} onChange=${(rows) => onDraft(changed(values, part.name.split(".")[1], rows.length ? rows : null))} />`)}
    ${tool?.(name)}
    ${!row?.fixed_by && html`<p><button type="button" class="plain" onClick=${() => onDraft(row ? null : undefined)}>Remove ${name}</button></p>`}
  </details>`;
}

function Fields({ keys, table, id, values, before, row, onDraft }) {
  return keys.map(
    (one) =>
      html`<${Field} key=${one.name} one=${one} table=${table.name} at=${id} value=${values[one.name] ?? null} before=${before[one.name]} fixed=${row?.fixed_by} hasSecret=${row?.secrets.includes(one.name)} onChange=${(value) => onDraft(changed(values, one.name, value ?? null))} />`,
  );
}

// The tables within a row: tariffs and shares of a plan.
function Part({ part, at, rows, fixed, onChange }) {
  const title = part.name.split(".")[1];
  const set = (number, row) => onChange(row ? rows.with(number, row) : rows.filter((_, each) => each !== number));
  return html`<fieldset><legend>${label("", part.name)}s</legend>
    ${rows.map(
      (row, number) => html`<div key=${number} class="part">
        ${part.keys.map((one) => html`<${Field} key=${one.name} one=${one} table=${part.name} at=${`${at}-${title}-${number}`} value=${row[one.name] ?? null} before=${row[one.name]} fixed=${fixed} onChange=${(value) => set(number, changed(row, one.name, value))} />`)}
        ${!fixed && html`<button type="button" class="plain" onClick=${() => set(number, null)}>Remove ${title} ${number + 1}</button>`}
      </div>`,
    )}
    ${!fixed && html`<button type="button" class="plain" onClick=${() => onChange([...rows, {}])}>Add a ${title}</button>`}
  </fieldset>`;
}
