// What the server says of itself: asked at the start, then every half minute while the page is looked at.

import { useEffect, useState } from "preact/hooks";

const STATES = { failed: "has failed", starting: "is starting", waiting: "is waiting" };
const EVERY_MS = 30000;

// The report, or null until there is one; asked anew when `phase` changes.
export function useHealth(phase) {
  const [report, setReport] = useState(null);
  useEffect(() => {
    if (phase !== "live") return undefined;
    const ask = () => document.hidden || fetchReport().then((found) => found && setReport(found));
    ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => clearInterval(timer);
  }, [phase]);
  return report;
}

// A report comes with status 503 too; where none comes, the live stream already says that all is lost.
async function fetchReport() {
  try {
    return await (await fetch("api/v1/health")).json();
  } catch {
    return null;
  }
}

// One line for everything a person should know.
export function notices(report) {
  if (!report) return [];
  const points = (report.points ?? []).filter((each) => each.state !== "ok" || each.notice);
  return [...(report.notices ?? []), ...points.map(pointNotice)].map(capital);
}

function pointNotice(point) {
  const state = point.state === "ok" ? "" : ` ${STATES[point.state] ?? `is ${point.state}`}`;
  return `Point ${point.point}${state}${point.notice ? `: ${point.notice}` : ""}`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
