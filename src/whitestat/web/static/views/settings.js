// Settings: sections of fields, what is not saved yet, and the new start that a change needs.

import { useState } from "preact/hooks";
import { Answered, Sign } from "../components/parts.js";
import { Field, Rows } from "../components/setting_fields.js";
import { address, request, send } from "../lib/api.js";
import { capital, moment } from "../lib/format.js";
import { html } from "../lib/html.js";
import { href } from "../lib/route.js";
import { inSection, SECTIONS, same } from "../lib/settings.js";
import { useAnswer } from "../stores/answer.js";

const LOOK_MS = 400;
const LOOKS = 75; // half a minute
const LINKS = {
  people: ["#/devices", "Names, owners and people of known devices are in Devices."],
  access: ["access", "Accounts and tokens are in Access."],
};

export function Settings({ route }) {
  const answer = useAnswer(address("config"));
  const edits = useAnswer(address("edits"));
  const [drafts, setDrafts] = useState({});
  const again = () => (answer.again(), edits.again());
  return html`<div class="view"><header><h2 class="page">Settings</h2></header>
    <${Answered} answer=${answer}>${(all) => html`<${Page} all=${all} edits=${edits.data?.edits ?? []} again=${again} drafts=${drafts} setDrafts=${setDrafts} chosen=${route.parts[1]} />`}<//>
  </div>`;
}

function Page({ all, edits, again, drafts, setDrafts, chosen }) {
  const [state, run] = useChange(again, () => setDrafts({}));
  const section = SECTIONS.find(([name]) => name === chosen) ?? SECTIONS[0];
  const draft = (name, value, before) =>
    setDrafts(({ [name]: _, ...others }) =>
      value === undefined || same(value, before) ? others : { ...others, [name]: value },
    );
  const last = edits.find(({ action, undone_by, undoes }) => action === "settings" && !undone_by && !undoes);
  return html`${all.fault && html`<p class="notice lost" role="alert"><${Sign} /><span><b>Not all settings are in use.</b> <bdi>${capital(all.fault)}</bdi></span></p>`}
    <div class=${chosen ? "settings one" : "settings"}>
      <nav class="card" aria-label="Settings">${SECTIONS.map(
        ([name, title, sentence]) =>
          html`<a key=${name} href=${href(["settings", name])} aria-current=${name === section[0] ? "page" : undefined}><b>${title}</b><span>${sentence}</span></a>`,
      )}</nav>
      <div class="stack">
        <section class="card block" aria-labelledby="settings-title">
          <header><h2 id="settings-title">${section[1]}</h2><a class="back" href="#/settings">All settings</a></header>
          <${Fields} all=${all} section=${section} drafts=${drafts} draft=${draft} />
        </section>
        <${SaveBar} all=${all} drafts=${drafts} state=${state} discard=${() => setDrafts({})} run=${run} />
        ${last && html`<p class="note">Last change: <bdi>${last.changes.map(({ key }) => key[0]).join(", ")}</bdi>, by <bdi>${last.by}</bdi>, ${moment(last.at)}. <button type="button" class="plain" onClick=${() => run("POST", `${address("edits")}/${last.id}/undo`, {})}>Undo</button></p>`}
      </div>
    </div>`;
}

function Fields({ all, section, drafts, draft }) {
  const [name, , sentence, , tables] = section;
  const link = LINKS[name];
  return html`<p class="note">${sentence}</p>
    ${inSection(section, all.settings).map((one) => html`<${Field} key=${one.name} one=${one} at=${name} hasSecret=${one.source !== "default"} value=${one.name in drafts ? drafts[one.name] : one.value} before=${one.value} fixed=${one.fixed_by && one.page_may_set ? one.fixed_by : one.value !== null && one.fixed_by} onChange=${(value) => draft(one.name, value, one.value)} />`)}
    ${tables.map((each) => {
      const table = all.tables.find((found) => found.name === each);
      const parts = all.tables.filter((found) => found.name.startsWith(`${each}.`));
      return html`<${Rows} key=${each} table=${table} parts=${parts} drafts=${drafts} onDraft=${(row, values) => draft(row, values, NOTHING)} tool=${each === "point" ? (point) => html`<${Try} key=${point} point=${point} drafts=${drafts} />` : undefined} />`;
    })}
    ${link && html`<p><a href=${link[0]}>${link[1]}</a></p>`}
    ${name === "backups" && html`<p class="note">Changes made here are in <bdi>${all.page_file}</bdi>; ${all.file ? html`<bdi>${all.file}</bdi> wins over it.` : "there is no configuration file."} Backups are made by <code>whitestat backup --to FOLDER</code>.</p>`}`;
}

const NOTHING = Symbol("a row is never what it was");

function SaveBar({ all, drafts, state, discard, run }) {
  const count = Object.keys(drafts).length;
  const save = (event) => (event.preventDefault(), run("PATCH", address("config"), { set: drafts }));
  return html`<div class="savebar" aria-live="polite">
    ${state.fault && html`<p class="notice lost" role="alert"><${Sign} /><span><b>Not saved.</b> <bdi>${capital(state.fault)}</bdi></span></p>`}
    ${state.ask && html`<${Password} then=${state.ask} />`}
    ${state.said && html`<p class="note" role="status">${state.said}</p>`}
    ${
      count > 0 &&
      !state.busy &&
      html`<form class="card block" onSubmit=${save}><p><b>${count === 1 ? "1 change." : `${count} changes.`}</b> ${all.restarts ? "Saving starts the meter again: a few seconds, nothing is lost. If it fails, the old settings come back." : "It counts from the next start of WhiteStat on."}</p>
      <p class="controls"><button type="button" class="field" onClick=${discard}>Discard</button><button class="field main">Save</button></p></form>`
    }
  </div>`;
}

// Reads a router as the fields have it, before they are saved.
function Try({ point, drafts }) {
  const [state, set] = useState({});
  const run = async () => {
    set({ said: "Asking it\u2026", busy: true });
    try {
      const { works, report } = await send("POST", address("config/try"), { point, set: drafts });
      set({ said: report, tone: works ? "state-ok" : "state-bad" });
    } catch (fault) {
      if (needsPassword(fault)) set({ ask: run });
      else set({ said: fault.message, tone: "state-bad" });
    }
  };
  return html`<p class="controls"><button type="button" class="field" disabled=${state.busy} onClick=${run}>Try ${point}</button>
    <span role="status" class=${state.tone ?? ""}>${state.said && capital(state.said)}</span></p>
    ${state.ask && html`<${Password} then=${state.ask} />`}`;
}

const needsPassword = (fault) => fault.status === 403 && fault.message.includes("password");

function Password({ then }) {
  const [fault, setFault] = useState("");
  const confirm = async (event) => {
    event.preventDefault();
    const password = new FormData(event.target).get("password");
    try {
      await send("POST", address("me/confirm"), { password });
    } catch (wrong) {
      return setFault(wrong.message);
    }
    return then();
  };
  return html`<form class="card block" onSubmit=${confirm}><label>Your password, to make sure that it is you
    <input class="field" type="password" name="password" autocomplete="current-password" required ref=${(input) => input?.focus()} /></label>
    ${fault && html`<p class="state-bad" role="alert">${capital(fault)}</p>`}
    <p class="controls"><button class="field main">Confirm</button></p></form>`;
}

// {busy, fault, said, ask} of a change, and what makes one: it asks for the password if it must, and waits for the start.
function useChange(again, done) {
  const [state, set] = useState({});
  const run = async (method, url, body) => {
    set({ busy: true, said: "Saving\u2026" });
    try {
      const { restarts } = await send(method, url, body);
      if (restarts) {
        set({ busy: true, said: "Starting again with the new settings\u2026" });
        await started();
      }
      set({ said: restarts ? "Saved, and in use." : "Saved." });
      done();
      again();
    } catch (fault) {
      if (needsPassword(fault)) set({ ask: () => run(method, url, body) });
      else set({ fault: fault.parameter ? `${fault.parameter}: ${fault.message}` : fault.message });
    }
  };
  return [state, run];
}

// Until the service answers with the settings in use, or says why they are not.
async function started() {
  for (let look = 0; look < LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const { is_pending, fault } = await request(address("config")).catch(() => ({ is_pending: true }));
    if (fault || !is_pending) return;
  }
  throw new Error("WhiteStat did not answer within half a minute; look at its log.");
}
