// CSV text of tables that the page makes itself (RFC 4180).

export const csvText = (lines) => lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");

// RFC 4180; what a spreadsheet would run is made text by an apostrophe.
function cell(value) {
  const text = value == null ? "" : String(value);
  const plain = typeof value === "string" && /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
