// Octets of each hour of the day, by day or as the mean of each weekday; null where no point watched the hour.

import { barsOf } from "./span.js";

// Rows of { key, day, values } in order: `key` is the day, or the weekday from 0 (Monday) where `weekly`; `values` are
// 24 numbers or nulls. A weekday's mean is of the hours that were watched.
export function hoursOf(data, span, weekly) {
  const rows = new Map();
  const cell = (start) => {
    const day = start.slice(0, 10);
    const key = weekly ? `${(new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7}` : day;
    if (!rows.has(key))
      rows.set(key, { key, day, days: new Set(), octets: Array(24).fill(0), missed: Array(24).fill(0) });
    rows.get(key).days.add(day);
    return [rows.get(key), Number(start.slice(11, 13))];
  };
  for (const row of data.rows) {
    const [of, hour] = cell(row.start);
    of.octets[hour] += row.octets;
  }
  for (const place of barsOf(data, span).places.filter((each) => each.missed)) {
    const [of, hour] = cell(place.start);
    of.missed[hour] += 1;
  }
  return [...rows.values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ key, day, days, octets, missed }) => ({
      key,
      day,
      values: octets.map((sum, hour) => {
        const watched = days.size - missed[hour];
        return watched > 0 || sum ? Math.round(sum / Math.max(1, watched)) : null;
      }),
    }));
}
