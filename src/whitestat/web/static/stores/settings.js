// What this browser's user chose: units and colours, kept in this browser alone.

import { useEffect, useState } from "preact/hooks";

const KEY = "whitestat";
const CHOICES = { octets: ["GB", "GiB"], rate: ["bit/s", "octet/s"], theme: ["auto", "light", "dark"] };
const listeners = new Set();

export const settings = { ...first(), ...kept() };
dress();

export const choices = (name) => CHOICES[name];

export function choose(name, value) {
  settings[name] = value;
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing forgets it with the tab.
  }
  dress();
  for (const tell of listeners) tell({});
}

// Draws the caller anew when a choice changes; returns the choices.
export function useSettings() {
  const [, tell] = useState({});
  useEffect(() => {
    listeners.add(tell);
    return () => listeners.delete(tell);
  }, []);
  return settings;
}

function first() {
  return Object.fromEntries(Object.entries(CHOICES).map(([name, values]) => [name, values[0]]));
}

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return Object.fromEntries(Object.entries(found).filter(([name, value]) => CHOICES[name]?.includes(value)));
  } catch {
    return {};
  }
}

function dress() {
  if (settings.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = settings.theme;
}
