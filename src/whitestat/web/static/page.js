// The whole page: its head, the way around, and the view that the address names.

import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Toast } from "./components/notices.js";
import { Fault, Sign } from "./components/parts.js";
import { clock, day } from "./lib/format.js";
import { html } from "./lib/html.js";
import { href, useRoute } from "./lib/route.js";
import { notices, useHealth } from "./stores/health.js";
import { useHousehold } from "./stores/household.js";
import { listen } from "./stores/live.js";
import { Me, useMe } from "./stores/me.js";
import { choices, choose, useSettings } from "./stores/settings.js";
import { Overview } from "./views/overview.js";

const REST_MS = 1500;
const PHASES = { connecting: "connecting", live: "live", lost: "reconnecting" };
const LINKS = [
  ["api/v1/usage.html", "Table"],
  ["api/v1/usage.csv", "CSV"],
  ["api/v1/usage", "JSON"],
  ["openapi.json", "API"],
];
const VIEWS = {
  overview: { label: "Overview", icon: "M2 8.5 8 3l6 5.5M4 7.5V13h8V7.5", show: "Overview", moves: true },
  history: {
    label: "History",
    icon: "M2.5 13.5v-4h2.6v4M6.7 13.5v-10h2.6v10M10.9 13.5V6h2.6v7.5M1.5 13.5h13",
    load: () => import("./views/history.js"),
    show: "History",
  },
  live: {
    label: "Live",
    icon: "M1.5 8.5h3l2-5.5 3 10 2-4.5h3",
    load: () => import("./views/live.js"),
    show: "Live",
    moves: true,
  },
  devices: {
    label: "Devices",
    icon: "M2 3.5h8.5v6.5H2zM4.5 12.5H8M12 6h2.5v7H12z",
    load: () => import("./views/people.js"),
    show: "People",
  },
  services: {
    label: "Services",
    icon: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM2 8h12M8 1.8c3.4 3.6 3.4 8.8 0 12.4M8 1.8c-3.4 3.6-3.4 8.8 0 12.4",
    load: () => import("./views/services.js"),
    show: "Services",
  },
  health: {
    label: "Health",
    icon: "M8 13.5C3.5 10.3 1.8 8 1.8 5.6a3 3 0 0 1 6.2-1 3 3 0 0 1 6.2 1C14.2 8 12.5 10.3 8 13.5z",
    load: () => import("./views/health.js"),
    show: "Health",
  },
  device: { label: "Device", under: "devices", load: () => import("./views/device.js"), show: "Device" },
  person: { label: "Person", under: "devices", load: () => import("./views/people.js"), show: "Person" },
};
const CHOICES = [
  ["octets", "Data in", { GB: "GB", GiB: "GiB" }],
  ["rate", "Speed in", { "bit/s": "bit/s", "octet/s": "B/s" }],
  ["theme", "Colours", { auto: "Automatic", light: "Light", dark: "Dark" }],
];

function Page() {
  const [live, show] = useState(null);
  useEffect(() => listen(show), []);
  useSettings();
  const route = useRoute();
  const name = route.parts[0] ?? "overview";
  const view = VIEWS[name];
  const phase = live?.phase ?? "connecting";
  const lost = phase === "lost";
  const report = useHealth(phase);
  const me = useMe(phase);
  const about = me.role && me; // The zone, and when billing periods begin.
  const household = useHousehold(phase, live?.at?.slice(0, 10), me.can_edit, live?.devices.size);
  const main = useMoved(name, view?.label);
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>Skip to content</a>
    <header class="head">
      <a class="brand" href="#/"><img src="static/icon.svg" alt="" width="32" height="32" /><h1>WhiteStat</h1></a>
      ${live?.at && html`<p class="date"><time datetime=${live.at.slice(0, 10)}>${day(live.at)}</time></p>`}
      <${Ways} current=${view ? (view.under ?? name) : null} role=${me.role} />
      <${Me} me=${me} />
      <p class=${`phase ${phase}`} role="status"><i aria-hidden="true"></i>${PHASES[phase]}</p>
    </header>
    <main id="main" ref=${main} tabindex="-1" class=${lost ? "stale" : ""}>
      ${lost && html`<${Lost} at=${live.at} />`}
      ${notices(report).map((each) => html`<p class="notice" key=${each}><${Sign} /><bdi>${each}</bdi></p>`)}
      ${view ? html`<${Shown} key=${name} view=${view} live=${live} lost=${lost} report=${report} household=${household} about=${about} route=${route} />` : html`<${Nowhere} />`}
    </main>
    <footer class="foot">
      <nav aria-label="Other formats of today">${LINKS.map(([path, label]) => html`<a key=${path} href=${path}>${label}</a>`)}</nav>
      <${Choices} />
      <p>${about?.timezone && html`<span title="Time zone of all times on this page">Times: ${about.timezone}</span> \u00b7 `}WhiteStat ${document.body.dataset.version}</p>
    </footer>
    <${Toast} ...${household} />`;
}

// A view that moves with the stream is drawn each second, every other when what it shows changes. All but the first are
// loaded when somebody goes there, or when there is nothing else to do.
function Shown({ view, live, lost, report, household, about, route }) {
  const [View, set] = useState(view.show === "Overview" ? () => Overview : null);
  const today = live?.at?.slice(0, 10);
  const ready = live?.totals && about && View;
  const { octets, rate } = useSettings();
  const told = ["people", "proposals", "events", "devices", "editable"].map((each) => household[each]);
  const still = useMemo(
    () => ready && !view.moves && html`<${View} today=${today} household=${household} about=${about} route=${route} />`,
    [Boolean(ready), view, today, ...told, about, route, octets, rate],
  );
  const [fault, fail] = useState(null);
  useEffect(() => {
    if (!View) view.load().then((found) => set(() => found[view.show]), fail);
  }, []);
  useEffect(() => {
    if (!ready) return undefined;
    const rest = setTimeout(() => Object.values(VIEWS).forEach((each) => each.load?.().catch(() => null)), REST_MS);
    return () => clearTimeout(rest);
  }, [Boolean(ready)]);
  if (fault)
    return html`<${Fault} fault=${{ message: "Part of the page did not load." }} again=${() => location.reload()} />`;
  if (!ready) return lost ? null : html`<p class="lone">Loading\u2026</p>`;
  return view.moves
    ? html`<${View} live=${live} lost=${lost} report=${report} household=${household} about=${about} route=${route} />`
    : still;
}

// How the program is, is the house's affair.
function Ways({ current, role }) {
  return html`<nav class="ways" aria-label="Views">${Object.entries(VIEWS)
    .filter(([name, view]) => view.icon && !(name === "health" && role === "person"))
    .map(
      ([
        name,
        view,
      ]) => html`<a key=${name} href=${name === "overview" ? "#/" : href([name])} aria-current=${name === current ? "page" : undefined}>
      <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${view.icon} /></svg><span>${view.label}</span></a>`,
    )}</nav>`;
}

// After a step to another view, the content has the focus, and the tab says where one is.
function useMoved(name, label) {
  const main = useRef(null);
  const came = useRef(name);
  useEffect(() => {
    document.title = name === "overview" || !label ? "WhiteStat" : `${label} \u00b7 WhiteStat`;
    if (came.current === name) return;
    came.current = name;
    scrollTo(0, 0);
    main.current.focus({ preventScroll: true });
  }, [name, label]);
  return main;
}

function Choices() {
  const settings = useSettings();
  return html`<div class="choices">${CHOICES.map(
    ([name, label, words]) => html`<label key=${name}>${label}
    <select value=${settings[name]} onChange=${(event) => choose(name, event.target.value)}>${choices(name).map((each) => html`<option key=${each} value=${each}>${words[each]}</option>`)}</select></label>`,
  )}</div>`;
}

function Nowhere() {
  return html`<section class="card empty"><h2>Page not found</h2><p>The link may be out of date. <a href="#/">Go to the overview</a></p></section>`;
}

function Lost({ at }) {
  return html`<p class="notice lost" role="alert"><${Sign} /><span><b>No connection to WhiteStat.</b> Trying again.${at && ` Figures as of ${clock(at)}.`}</span></p>`;
}

const root = document.getElementById("page");
root.replaceChildren(); // What was there until the scripts were.
render(html`<${Page} />`, root);
