// The table of views, and the one that the address names. A new view is its file in views/, one line here, and its styles
// in css/views.css.

import { useEffect, useMemo, useState } from "preact/hooks";
import { Fault } from "./components/parts.js";
import { html } from "./lib/html.js";
import { useSettings } from "./stores/settings.js";
import { Overview } from "./views/overview.js";

const REST_MS = 1500;

// `icon` is the path of a sign of 16 x 16; a view without one is below another (`under`). `live` views are drawn with
// each second of the stream. `component` is there from the start; `load` fetches the module that exports `name`.
export const VIEWS = {
  overview: { label: "Overview", icon: "M2 8.5 8 3l6 5.5M4 7.5V13h8V7.5", component: Overview, live: true },
  history: {
    label: "History",
    icon: "M2.5 13.5v-4h2.6v4M6.7 13.5v-10h2.6v10M10.9 13.5V6h2.6v7.5M1.5 13.5h13",
    load: () => import("./views/history.js"),
    name: "History",
  },
  live: {
    label: "Live",
    icon: "M1.5 8.5h3l2-5.5 3 10 2-4.5h3",
    load: () => import("./views/live.js"),
    name: "Live",
    live: true,
  },
  devices: {
    label: "Devices",
    icon: "M2 3.5h8.5v6.5H2zM4.5 12.5H8M12 6h2.5v7H12z",
    load: () => import("./views/devices.js"),
    name: "Devices",
  },
  services: {
    label: "Services",
    icon: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM2 8h12M8 1.8c3.4 3.6 3.4 8.8 0 12.4M8 1.8c-3.4 3.6-3.4 8.8 0 12.4",
    load: () => import("./views/services.js"),
    name: "Services",
  },
  health: {
    label: "Health",
    icon: "M8 13.5C3.5 10.3 1.8 8 1.8 5.6a3 3 0 0 1 6.2-1 3 3 0 0 1 6.2 1C14.2 8 12.5 10.3 8 13.5z",
    load: () => import("./views/health.js"),
    name: "Health",
    roles: ["owner", "editor", "viewer"],
  },
  settings: {
    label: "Settings",
    icon: "M2 4.5h7M12.5 4.5H14M2 11.5h1.5M7 11.5h7M9 2.8h3.5v3.4H9zM3.5 9.8H7v3.4H3.5z",
    load: () => import("./views/settings.js"),
    name: "Settings",
    roles: ["owner"],
  },
  device: { label: "Device", under: "devices", load: () => import("./views/device.js"), name: "Device" },
  person: { label: "Person", under: "devices", load: () => import("./views/person.js"), name: "Person" },
};

// The view once it and the first figures are loaded. The modules of the others are fetched when they are opened, or when
// the page is idle.
export function View({ view, live, lost, report, household, about, route }) {
  const [Component, setComponent] = useState(() => view.component);
  const today = live?.at?.slice(0, 10);
  const ready = live?.totals && about && Component;
  const { octets, rate } = useSettings();
  const { people, proposals, events, devices, loaded, editable } = household;
  const still = useMemo(
    () =>
      ready && !view.live && html`<${Component} today=${today} household=${household} about=${about} route=${route} />`,
    [Boolean(ready), view, today, people, proposals, events, devices, loaded, editable, about, route, octets, rate],
  );
  const [fault, setFault] = useState(null);
  useEffect(() => {
    if (!Component) view.load().then((module) => setComponent(() => module[view.name]), setFault);
  }, []);
  useEffect(() => {
    if (!ready) return undefined;
    const rest = setTimeout(preload, REST_MS);
    return () => clearTimeout(rest);
  }, [Boolean(ready)]);
  if (fault)
    return html`<${Fault} fault=${{ message: "Part of the page did not load." }} again=${() => location.reload()} />`;
  if (!ready) return lost ? null : html`<p class="lone">Loading\u2026</p>`;
  if (!view.live) return still;
  return html`<${Component} live=${live} lost=${lost} report=${report} household=${household} about=${about} route=${route} />`;
}

function preload() {
  for (const view of Object.values(VIEWS)) view.load?.().catch(() => null);
}
