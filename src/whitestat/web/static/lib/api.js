// The only client of the API: addresses of requests, and their answers or faults.

const NO_ANSWER = "WhiteStat does not answer. It may be restarting, or this device is offline.";

export const BASE = "api/v1/";

// The address of a GET request, relative, as the page may be served below a path; empty parameters are left out.
export function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = given.map(
    ([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":")}`,
  );
  if (parameters.by === "") query.push("by="); // An empty `by` means one row for everything.
  return `${BASE}${path}${query.length ? "?" : ""}${query.join("&")}`;
}

// The JSON of an answer. Throws an Error with the reason, the HTTP `status` (0 without any answer) and the `parameter` at fault if it is a failure;
// a health report is none, though it comes with status 503. A 401 fires the event "login".
export async function request(url, options) {
  const response = await fetch(url, options).catch((fault) => {
    throw fault.name === "AbortError" ? fault : failure(0, NO_ANSWER);
  });
  const content = await response.json().catch((fault) => {
    if (fault.name === "AbortError") throw fault;
    if (response.status !== 401)
      throw failure(response.status, `WhiteStat sent an unreadable answer (status ${response.status}).`);
  });
  if (response.status === 401) dispatchEvent(new Event("login"));
  if (!response.ok && !content?.points)
    throw failure(
      response.status,
      content?.error?.reason ?? `The request failed (status ${response.status}).`,
      content?.error?.parameter,
    );
  return content;
}

// A request that changes something; answers and failures are those of `request`.
export function send(method, url, body) {
  return request(url, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

const failure = (status, message, parameter) => Object.assign(new Error(message), { status, parameter });
