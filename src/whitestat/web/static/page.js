// The frame of the page: header, navigation, notices, the view that the address names, and footer.

import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { AccountLinks } from "./components/account_links.js";
import { Fault, Sign } from "./components/parts.js";
import { Toast } from "./components/toast.js";
import { clock, day } from "./lib/format.js";
import { html } from "./lib/html.js";
import { href } from "./lib/route.js";
import { VIEWS, View } from "./router.js";
import { notices, useHealth } from "./stores/health.js";
import { useHousehold } from "./stores/household.js";
import { listen } from "./stores/live.js";
import { useMe } from "./stores/me.js";
import { useRoute } from "./stores/route.js";
import { choices, choose, useSettings } from "./stores/settings.js";

const PHASES = { connecting: "connecting", live: "live", lost: "reconnecting" };
const LINKS = [
  ["api/v1/usage.html", "Table"],
  ["api/v1/usage.csv", "CSV"],
  ["api/v1/usage", "JSON"],
  ["openapi.json", "API"],
];
const CHOICES = [
  ["octets", "Data in", { GB: "GB", GiB: "GiB" }],
  ["rate", "Speed in", { "bit/s": "bit/s", "octet/s": "B/s" }],
  ["theme", "Colours", { auto: "Automatic", light: "Light", dark: "Dark" }],
];

function Page() {
  const [live, setLive] = useState(null);
  useEffect(() => listen(setLive), []);
  useSettings();
  const route = useRoute();
  const name = route.parts[0] ?? "overview";
  const view = VIEWS[name];
  const phase = live?.phase ?? "connecting";
  const lost = phase === "lost";
  const report = useHealth(phase);
  const me = useMe(phase);
  const about = me.role && me; // The time zone, and when billing periods begin.
  const household = useHousehold(phase, live?.at?.slice(0, 10), me.can_edit, live?.devices.size);
  const main = useFocusOnMove(name, view?.label);
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>Skip to content</a>
    <header class="head">
      <a class="brand" href="#/"><img src="static/icon.svg" alt="" width="32" height="32" /><h1>WhiteStat</h1></a>
      ${live?.at && html`<p class="date"><time datetime=${live.at.slice(0, 10)}>${day(live.at)}</time></p>`}
      <${Navigation} current=${view ? (view.under ?? name) : null} role=${me.role} />
      <${AccountLinks} me=${me} />
      <p class=${`phase ${phase}`} role="status"><i aria-hidden="true"></i>${PHASES[phase]}</p>
    </header>
    <main id="main" ref=${main} tabindex="-1" class=${lost ? "stale" : ""}>
      ${lost && html`<${Lost} at=${live.at} />`}
      ${!lost && household.fault && html`<${Fault} fault=${household.fault} again=${household.reload}>People and devices could not be loaded.<//>`}
      ${notices(report).map((notice) => html`<p class="notice" key=${notice}><${Sign} /><bdi>${notice}</bdi></p>`)}
      ${view ? html`<${View} key=${name} view=${view} live=${live} lost=${lost} report=${report} household=${household} about=${about} route=${route} />` : html`<${NotFound} />`}
    </main>
    <footer class="foot">
      <nav aria-label="Other formats of today">${LINKS.map(([path, label]) => html`<a key=${path} href=${path}>${label}</a>`)}</nav>
      <${Choices} />
      <p>${about?.timezone && html`<span title="Time zone of all times on this page">Times: ${about.timezone}</span> \u00b7 `}WhiteStat ${document.body.dataset.version}</p>
    </footer>
    <${Toast} ...${household} />`;
}

// A person who sees only their own devices has no Health view.
function Navigation({ current, role }) {
  return html`<nav class="ways" aria-label="Views">${Object.entries(VIEWS)
    .filter(([, view]) => view.icon && (!role || !view.roles || view.roles.includes(role)))
    .map(
      ([
        name,
        view,
      ]) => html`<a key=${name} href=${name === "overview" ? "#/" : href([name])} aria-current=${name === current ? "page" : undefined}>
      <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${view.icon} /></svg><span>${view.label}</span></a>`,
    )}</nav>`;
}

// After a move to another view its content has the focus, and the title of the tab is its name.
function useFocusOnMove(name, label) {
  const main = useRef(null);
  const shown = useRef(name);
  useEffect(() => {
    document.title = name === "overview" || !label ? "WhiteStat" : `${label} \u00b7 WhiteStat`;
    if (shown.current === name) return;
    shown.current = name;
    scrollTo(0, 0);
    main.current.focus({ preventScroll: true });
  }, [name, label]);
  return main;
}

function Choices() {
  const settings = useSettings();
  return html`<div class="choices">${CHOICES.map(
    ([name, label, words]) => html`<label key=${name}>${label}
    <select value=${settings[name]} onChange=${(event) => choose(name, event.target.value)}>${choices(name).map((value) => html`<option key=${value} value=${value}>${words[value]}</option>`)}</select></label>`,
  )}</div>`;
}

function NotFound() {
  return html`<section class="card empty"><h2>Page not found</h2><p>The link may be out of date. <a href="#/">Go to the overview</a></p></section>`;
}

function Lost({ at }) {
  return html`<p class="notice lost" role="alert"><${Sign} /><span><b>No connection to WhiteStat.</b> Trying again.${at && ` Figures as of ${clock(at)}.`}</span></p>`;
}

const root = document.getElementById("page");
root.replaceChildren(); // The placeholder of index.html.
render(html`<${Page} />`, root);
