// The polite live region: a screen reader says each text once, when its user pauses.

import { element } from "./dom.js";

const region = element("div", { class: "hidden", role: "status", "aria-live": "polite" });

/** Put the region into the page; it has to be there before its first text. */
export function showAnnouncements() {
  document.body.append(region);
}

/** @param {string} text */
export function announce(text) {
  const line = element("p", {}, element("bdi", {}, text));
  region.append(line);
  while (region.children.length > 5) region.firstElementChild?.remove();
  setTimeout(() => line.remove(), 10_000);
}
