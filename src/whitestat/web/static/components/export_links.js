// What is shown as a file for a spreadsheet, and the address of it to hand on.

import { useState } from "preact/hooks";
import { address } from "../lib/api.js";
import { csvText } from "../lib/csv.js";
import { html } from "../lib/html.js";

// `path` and `parameters` are those of the question behind what is shown, whose CSV the API makes; `lines` a table of our own.
export function ExportLinks({ path, parameters, lines, file }) {
  const [said, say] = useState("");
  const copy = async () => {
    const done = await copied(location.href);
    say(done ? "Copied" : "Not copied: the browser does not allow it.");
    setTimeout(() => say(""), 3000);
  };
  return html`<span class="save">
    ${path && html`<a class="tool" href=${address(path, parameters)} download>CSV</a>`}
    ${lines && html`<button type="button" class="tool" onClick=${() => download(lines(), file)}>CSV</button>`}
    <button type="button" class="tool" onClick=${copy}>Copy link</button>
    <span class="said" role="status">${said}</span>
  </span>`;
}

// Without HTTPS browsers have no clipboard for pages, but for what is selected.
async function copied(text) {
  if (navigator.clipboard && isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

function download(lines, name) {
  const text = csvText(lines);
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
