// Names of devices and the addresses of their pages.

import { href } from "./route.js";

// A device without a name is shown as its maker and its MAC address; the maker is cut where room is short.
const MAKER_AND_MAC = /^(.+) ([0-9a-f]{2}(?::[0-9a-f]{2}){5})$/;

// [maker, MAC] of such a name, null for any other.
export const makerAndMac = (name) => MAKER_AND_MAC.exec(name)?.slice(1) ?? null;
export const withoutMac = (name) => makerAndMac(name)?.[0] ?? name;

export const deviceName = (device) =>
  device ? device.name?.trim() || device.mac || `device ${device.id}` : "Unattributed";
export const deviceLink = (id, query) => href(["device", String(id)], query);
