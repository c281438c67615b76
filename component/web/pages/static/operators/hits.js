// The keys n and p move between the hits of a search.

/** @type {Record<string, number>} */
const STEPS = { n: 1, p: -1 };

/**
 * Return the place to move to from `current` (-1: none yet), within `count` places.
 *
 * @param {number} current
 * @param {number} step
 * @param {number} count
 */
export function moved(current, step, count) {
  if (current < 0) return step > 0 ? 0 : count - 1;
  return Math.min(Math.max(current + step, 0), count - 1);
}

/**
 * Listen to the keys, unless the reader writes in a field.
 *
 * @param {Document} page
 */
export function listenToKeys(page) {
  const hits = [...page.querySelectorAll(".hit")].filter((hit) => hit instanceof HTMLElement);
  if (!hits.length) return;
  page.querySelector(".keys")?.removeAttribute("hidden");
  let current = -1;
  page.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const target = event.target;
    const isWriting = target instanceof Element && target.closest("input, select, textarea");
    if (!step || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    current = moved(current, step, hits.length);
    hits[current]?.focus();
  });
}
