// What is left of each plan's allowance, at what pace it is used, and where that leads.

export function Plans() {
  return null;
}
