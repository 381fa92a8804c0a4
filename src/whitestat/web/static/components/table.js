// A table that is sorted by any column, searched, and has its totals; the rows of a screen reader are those on the screen.

import { useMemo, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { ExportLinks } from "./export_links.js";

const byText = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
const MOST = 60; // What is shown at first: nobody reads more at once, and a browser that lays out thousands of cells is slow.
const [NARROW, PAPER] = [14, 40]; // So many columns fit on a sheet upright, and lying.

// `columns` are {key, label, of, cell, text, total, whole}: `of` gives what is sorted by and, without `cell`, shown; text
// starts with A, figures with the largest. A search looks in what every column shows and in
// what `words` gives besides. `total` gives what stands below.
export function Table({ title, name, columns, rows, words, start, empty, save, children, tone }) {
  const [sort, setSort] = useState(start ?? { key: columns[0].key, descending: !columns[0].text });
  const [text, setText] = useState("");
  const [all, setAll] = useState(false);
  const column = columns.find((each) => each.key === sort.key) ?? columns[0];
  const found = useMemo(
    () =>
      text.trim()
        ? rows.filter((row) => matches(`${words(row)} ${columns.map((each) => shownText(each, row)).join(" ")}`, text))
        : rows,
    [rows, columns, text],
  );
  const sorted = useMemo(() => inOrder(found, column, sort.descending), [found, column.key, sort.descending]);
  const shown = all ? sorted : sorted.slice(0, MOST);
  // A row that is the same is moved, and not made again: sorting touches no cell.
  const made = useMemo(() => new Map(), [rows, columns]);
  const drawn = (row) => {
    if (!made.has(row))
      made.set(row, html`<tr key=${row.key} role="row">${columns.map((each, at) => cell(each, row, at))}</tr>`);
    return made.get(row);
  };
  const press = (each) => setSort({ key: each.key, descending: sort.key === each.key ? !sort.descending : !each.text });
  const id = `table-${name}`;
  const size = columns.length > PAPER ? "vast" : columns.length > NARROW ? "broad" : "";
  return html`<section class=${`card sheet ${tone ?? ""} ${size}`} aria-labelledby=${id}>
    <header>
      <h2 id=${id}>${title} <span class="count" role="status">${text.trim() ? `${found.length} of ${rows.length}` : rows.length || ""}</span></h2>
      ${children}
      ${
        words &&
        rows.length > 5 &&
        html`<label class="search small"><span class="hidden">Search in ${title}</span>
        <svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="7" cy="7" r="4.5" /><path d="m10.5 10.5 3.5 3.5" /></svg>
        <input type="search" placeholder="Search" autocomplete="off" spellcheck=${false} value=${text} onInput=${(event) => setText(event.target.value)} /></label>`
      }
      ${save && html`<${ExportLinks} ...${save} />`}
    </header>
    ${
      rows.length
        ? html`<div class="scroll" tabindex="0" role="group" aria-labelledby=${id}><table class="grid" role="table" style=${{ "--columns": columns.length - 1 }}>
      <thead role="rowgroup"><tr role="row">${columns.map(
        (
          each,
        ) => html`<th key=${each.key} scope="col" role="columnheader" class=${each.text ? "text" : ""} aria-sort=${sort.key === each.key ? (sort.descending ? "descending" : "ascending") : "none"} title=${each.whole}>
        <button type="button" onClick=${() => press(each)}>${each.label}<i class="way" aria-hidden="true"></i></button></th>`,
      )}</tr></thead>
      <tbody role="rowgroup">${shown.map(drawn)}</tbody>
      ${columns.some((each) => each.total) && html`<tfoot role="rowgroup"><tr role="row">${columns.map((each, at) => (at ? html`<td key=${each.key} role="cell">${each.total?.(found)}</td>` : html`<th key=${each.key} scope="row" role="rowheader">${text.trim() ? "Total of matches" : "Total"}</th>`))}</tr></tfoot>`}
    </table></div>`
        : html`<p class="lone">${empty}</p>`
    }
    ${rows.length > 0 && !found.length && html`<p class="lone">Nothing matches \u201c<bdi>${text.trim()}</bdi>\u201d. <button type="button" class="plain" onClick=${() => setText("")}>Show all</button></p>`}
    ${shown.length < sorted.length && html`<p class="more"><span class="paper">The first ${MOST} of ${sorted.length}.</span><button type="button" class="plain" onClick=${() => setAll(true)}>Show all ${sorted.length} rows</button></p>`}
  </section>`;
}

// What a column shows as text: that of a cell that is made of elements is what the column is sorted by.
function shownText(column, row) {
  const shown = column.cell ? column.cell(row) : column.of(row);
  return typeof shown === "object" ? (column.text ? column.of(row) : "") : shown;
}

function cell(column, row, at) {
  const shown = column.cell ? column.cell(row) : column.of(row);
  return at
    ? html`<td key=${column.key} role="cell" class=${column.text ? "text" : ""}>${shown}</td>`
    : html`<th key=${column.key} scope="row" role="rowheader">${shown}</th>`;
}

function inOrder(rows, { of, text }, descending) {
  const turn = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (Boolean(a.last) !== Boolean(b.last)) return a.last ? 1 : -1;
    const [left, right] = [of(a), of(b)];
    if (left == null || right == null) return (left == null) - (right == null);
    return turn * (text ? byText(left, right) : left - right);
  });
}

function matches(found, text) {
  const looked = found.toLocaleLowerCase();
  return text
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => looked.includes(word));
}
