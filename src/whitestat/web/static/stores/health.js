// The health report: loaded at the start, then every half minute while the page is visible.

import { useEffect, useState } from "preact/hooks";
import { address, request } from "../lib/api.js";
import { capital } from "../lib/format.js";

const STATES = { failed: "has failed", starting: "is starting", waiting: "is waiting" };
const EVERY_MS = 30000;

// The last report, null until there is one; loaded again when `phase` changes. The Health view shows a failure, and the
// live stream shows that the server is gone.
export function useHealth(phase) {
  const [report, setReport] = useState(null);
  useEffect(() => {
    if (phase !== "live") return undefined;
    const load = () => document.hidden || request(address("health")).then(setReport, () => null);
    load();
    const timer = setInterval(load, EVERY_MS);
    return () => clearInterval(timer);
  }, [phase]);
  return report;
}

// One line for each thing the household should know.
export function notices(report) {
  if (!report) return [];
  const points = (report.points ?? []).filter((point) => point.state !== "ok" || point.notice);
  return [...(report.notices ?? []), ...points.map(pointNotice)].map(capital);
}

function pointNotice(point) {
  const state = point.state === "ok" ? "" : ` ${STATES[point.state] ?? `is ${point.state}`}`;
  return `Point ${point.point}${state}${point.notice ? `: ${point.notice}` : ""}`;
}
