// The message about the last edit, with its undo button.

import { useEffect } from "preact/hooks";
import { html } from "../lib/html.js";

const SHOWN_MS = 20000;

export function Toast({ toast, undo, close }) {
  useEffect(() => {
    if (!toast) return undefined;
    const timer = setTimeout(close, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast]);
  // The box is always there: screen readers tell what appears in it.
  return html`<div class="toasts" role=${toast?.failed ? "alert" : "status"}>
    ${
      toast &&
      html`<p class=${toast.failed ? "toast failed" : "toast"}>
      <bdi>${toast.text}</bdi>
      ${toast.edit && html`<button type="button" onClick=${() => undo(toast.edit)}>Undo</button>`}
      <button type="button" aria-label="Close" onClick=${close}>\u00d7</button>
    </p>`
    }
  </div>`;
}
