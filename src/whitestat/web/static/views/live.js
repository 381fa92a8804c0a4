// Live: the last second, minute, hours and month, of Whole household, a point or a device.

import { Graphs } from "../components/graphs.js";
import { Arrow, Choice, Figure } from "../components/parts.js";
import { deviceName } from "../lib/devices.js";
import { clock, count, rateParts } from "../lib/format.js";
import { html } from "../lib/html.js";
import { go } from "../lib/route.js";

export function Live({ live, lost, report, route }) {
  const { query } = route;
  const points = (report?.points ?? []).filter((each) => each.counts !== false).map((each) => each.point);
  const devices = [...live.devices.values()]
    .filter((each) => each.id !== null)
    .sort((a, b) => deviceName(a).localeCompare(deviceName(b)));
  const packets = query.count === "packets";
  const narrow = query.device ? { device: query.device } : query.point ? { point: query.point } : {};
  const chosen = query.device ? `device:${query.device}` : query.point ? `point:${query.point}` : "";
  const turn = (more) => go(["live"], { ...query, ...more });
  const look = (event) => {
    const [what, which] = event.target.value.split(/:(.*)/s);
    turn({ device: "", point: "", ...(which ? { [what]: which } : {}) });
  };
  const last = live.history[live.history.length - 1];
  const now =
    lost || !last
      ? [null, null, null, null, 0]
      : query.device
        ? (last.devices.get(Number(query.device)) ?? [0, 0, 0, 0, 0])
        : query.point
          ? (last.points.get(query.point) ?? [0, 0, 0, 0, 0])
          : last.all;
  return html`<div class="view">
    <header><h2 class="page">Live</h2><time class="count" datetime=${live.at}>${lost ? "until " : ""}${clock(live.at)}</time></header>
    <div class="controls">
      <label class="pick">Show <select value=${chosen} onChange=${look}>
        <option value="">Whole household</option>
        ${points.length > 0 && html`<optgroup label="Measuring points">${points.map((each) => html`<option key=${each} value=${`point:${each}`}>${each}</option>`)}</optgroup>`}
        <optgroup label="Devices">${devices.map((each) => html`<option key=${each.id} value=${`device:${each.id}`}>${deviceName(each)}</option>`)}</optgroup>
      </select></label>
      <${Choice} label="Unit" name="count" value=${packets ? "packets" : "octets"} choices=${[["octets", "Data"], ["packets", "Packets"]]} onChoose=${(each) => turn({ count: each === "packets" ? each : "" })} />
    </div>
    <section class="card block rates now" aria-label="Speed now">
      <p class="in"><${Figure} parts=${packets ? [count(now[2]), "packets/s"] : rateParts(now[0])} /><span class="what"><${Arrow} way="in" />download</span></p>
      <p class="out"><${Figure} parts=${packets ? [count(now[3]), "packets/s"] : rateParts(now[1])} /><span class="what"><${Arrow} way="out" />upload</span></p>
      ${!packets && now[4] > 0 && html`<p class="unsplit"><${Figure} parts=${rateParts(now[4])} /><span class="what">download or upload</span></p>`}
    </section>
    <${Graphs} live=${live} narrow=${narrow} packets=${packets} />
  </div>`;
}
