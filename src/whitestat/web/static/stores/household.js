// Who owns what, what is proposed and what happened: asked at the start, now and then, and after each edit.

import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { moment } from "../lib/format.js";

const EVERY_MS = 30000,
  SOON_MS = 8000;
const nothing = { people: [], proposals: [], events: [], devices: [] };

// {people, proposals, events, devices, owners, editable, toast, change, undo, close}; `owners` holds the person of each device today.
export function useHousehold(phase, today, editable, devices) {
  const [found, setFound] = useState(nothing);
  const [toast, setToast] = useState(null);
  const look = useCallback(async () => {
    const fresh = await everything();
    setFound((held) =>
      Object.fromEntries(
        Object.keys(fresh).map((name) => [name, same(held[name], fresh[name]) ? held[name] : fresh[name]]),
      ),
    );
  }, []);
  useEffect(() => {
    if (phase !== "live") return undefined;
    const ask = () => document.hidden || look();
    ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => clearInterval(timer);
  }, [phase]);

  useEffect(() => {
    // Who is new may have an owner in the configuration, given a few seconds later.
    const timer = setTimeout(() => phase === "live" && look(), SOON_MS);
    return () => clearTimeout(timer);
  }, [phase, devices]);

  // Sends an edit; true where it was made. What was said of it is shown with the way back.
  const change = useCallback(async (method, path, body, said) => {
    const [status, answer] = await send(method, path, body);
    if (status !== 200) setToast({ text: `Not changed: ${answer.error.reason}`, failed: true });
    else if (answer.edit) setToast({ text: said, edit: answer.edit });
    else if (answer.since) setToast({ text: `${said} since ${moment(answer.since)}` });
    if (status === 200) await look();
    return status === 200;
  }, []);

  const undo = (edit) => change("POST", `api/v1/edits/${edit}/undo`, {}, "Undone");
  const close = useCallback(() => setToast(null), []);
  return {
    ...found,
    editable,
    owners: useMemo(() => owners(found.people, today), [found.people, today]),
    toast,
    change,
    undo,
    close,
  };
}

function owners(people, today) {
  const found = new Map();
  for (const person of people) {
    for (const device of person.devices) {
      if ((device.from ?? "") <= (today ?? "") && (device.until === null || device.until > today))
        found.set(device.id, person.id);
    }
  }
  return found;
}

// What did not change is not drawn anew.
const same = (held, fresh) => JSON.stringify(held) === JSON.stringify(fresh);

async function everything() {
  const parts = await Promise.all(Object.keys(nothing).map((name) => list(name)));
  return Object.fromEntries(Object.keys(nothing).map((name, at) => [name, parts[at]]));
}

async function list(name) {
  try {
    const answer = await fetch(`api/v1/${name}`);
    return answer.ok ? (await answer.json())[name] : [];
  } catch {
    return []; // The live stream already says that all is lost.
  }
}

async function send(method, path, body) {
  try {
    const answer = await fetch(path, {
      method,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return [answer.status, await answer.json()];
  } catch {
    return [0, { error: { reason: "WhiteStat does not answer" } }];
  }
}
