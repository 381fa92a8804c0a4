// People, devices, proposals and events: loaded at the start, every half minute, and after each edit.

import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { BASE, request, send } from "../lib/api.js";
import { moment } from "../lib/format.js";

const EVERY_MS = 30000;
const SOON_MS = 8000;
const LISTS = ["people", "proposals", "events", "devices"];
const EMPTY = { ...Object.fromEntries(LISTS.map((name) => [name, []])), loaded: [], fault: null };

// {people, proposals, events, devices, loaded, fault, reload, owners, editable, toast, change, undo, close}.
// `loaded` has the names of the lists that were ever loaded: an empty one that was not is unknown. `fault` is the Error of
// the last try, null if all went well. `owners` maps device numbers to the number of today's owner.
export function useHousehold(phase, today, editable, devices) {
  const [lists, setLists] = useState(EMPTY);
  const [toast, setToast] = useState(null);
  const reload = useCallback(async () => {
    const fresh = await loadAll();
    setLists((old) => merged(old, fresh));
  }, []);
  useEffect(() => {
    if (phase !== "live") return undefined;
    const look = () => document.hidden || reload();
    look();
    const timer = setInterval(look, EVERY_MS);
    return () => clearInterval(timer);
  }, [phase]);

  useEffect(() => {
    // The owner of a new device may be in the configuration, and is set a few seconds later.
    const timer = setTimeout(() => phase === "live" && reload(), SOON_MS);
    return () => clearTimeout(timer);
  }, [phase, devices]);

  // Send an edit and show `text` with an undo button, or why it failed; true if it was made.
  const change = useCallback(async (method, path, body, text) => {
    try {
      const answer = await send(method, path, body);
      if (answer.edit) setToast({ text, edit: answer.edit });
      else if (answer.since) setToast({ text: `${text} since ${moment(answer.since)}` });
    } catch (fault) {
      setToast({ text: `Not changed: ${fault.message}`, failed: true });
      return false;
    }
    await reload();
    return true;
  }, []);

  const undo = (edit) => change("POST", `${BASE}edits/${edit}/undo`, {}, "Undone");
  const close = useCallback(() => setToast(null), []);
  return {
    ...lists,
    reload,
    editable,
    owners: useMemo(() => ownersOf(lists.people, today), [lists.people, today]),
    toast,
    change,
    undo,
    close,
  };
}

function ownersOf(people, today) {
  const owners = new Map();
  for (const person of people) {
    for (const device of person.devices) {
      if ((device.from ?? "") <= (today ?? "") && (device.until === null || device.until > today))
        owners.set(device.id, person.id);
    }
  }
  return owners;
}

// [name, content or Error] of each list.
function loadAll() {
  return Promise.all(
    LISTS.map((name) =>
      request(BASE + name).then(
        (answer) => [name, answer[name]],
        (fault) => [name, fault],
      ),
    ),
  );
}

// A list that did not change stays the same object, so that nothing is drawn again; one that failed stays as it was.
function merged(old, fresh) {
  const faults = fresh.filter(([, content]) => content instanceof Error);
  const lists = fresh.filter(([, content]) => !(content instanceof Error));
  const loaded = LISTS.filter((name) => old.loaded.includes(name) || lists.some(([other]) => other === name));
  return {
    ...old,
    ...Object.fromEntries(lists.map(([name, content]) => [name, same(old[name], content) ? old[name] : content])),
    loaded: same(old.loaded, loaded) ? old.loaded : loaded,
    fault: faults.length ? faults[0][1] : null,
  };
}

const same = (old, fresh) => JSON.stringify(old) === JSON.stringify(fresh);
