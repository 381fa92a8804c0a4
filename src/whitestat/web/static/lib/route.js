// Where in the page one is: the part of the address behind #, which survives reloads, bookmarks and any base path.

// `#/device/3?span=week` is {parts: ["device", "3"], query: {span: "week"}}.
export function read(hash = location.hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  return {
    parts: path.split("/").filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(query ?? "")),
  };
}

// The address of a place, for a link; what is empty in the query is left out.
export function href(parts, query = {}) {
  const given = new URLSearchParams(
    Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null),
  );
  const text = given.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return `#/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

// With `replace`, the place one leaves is not where the back button leads.
export function go(parts, query, replace = false) {
  if (replace) {
    history.replaceState(null, "", href(parts, query));
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = href(parts, query);
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
