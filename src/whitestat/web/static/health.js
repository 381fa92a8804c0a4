// What the server says of itself: asked at the start, then every half minute while the page is looked at.

import { useEffect, useState } from "preact/hooks";

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
    return await (await fetch("/api/v1/health")).json();
  } catch {
    return null;
  }
}

// One line for everything a person should know.
export function notices(report) {
  if (!report) return [];
  const points = (report.points ?? []).filter((each) => each.state !== "ok" || each.notice);
  return [...(report.notices ?? []), ...points.map(pointNotice)];
}

function pointNotice(point) {
  const state = point.state === "ok" ? "" : ` is ${point.state}`;
  return `${point.point}${state}${point.notice ? `: ${point.notice}` : ""}`;
}
