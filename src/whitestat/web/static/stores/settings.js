// Units and colours, kept in this browser alone.

import { useEffect, useState } from "preact/hooks";
import { units } from "../lib/format.js";

const KEY = "whitestat";
const CHOICES = { octets: ["GB", "GiB"], rate: ["bit/s", "octet/s"], theme: ["auto", "light", "dark"] };
const listeners = new Set();

export const settings = { ...defaults(), ...stored() };
apply();

export const choices = (name) => CHOICES[name];

export function choose(name, value) {
  settings[name] = value;
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Without storage a choice lasts as long as the tab.
  }
  apply();
  for (const update of listeners) update({});
}

// Returns the settings, and draws the caller again when one changes.
export function useSettings() {
  const [, update] = useState({});
  useEffect(() => {
    listeners.add(update);
    return () => listeners.delete(update);
  }, []);
  return settings;
}

function defaults() {
  return Object.fromEntries(Object.entries(CHOICES).map(([name, values]) => [name, values[0]]));
}

function stored() {
  try {
    const content = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return Object.fromEntries(Object.entries(content).filter(([name, value]) => CHOICES[name]?.includes(value)));
  } catch {
    return {};
  }
}

function apply() {
  units.octets = settings.octets;
  units.rate = settings.rate;
  if (settings.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = settings.theme;
}
