// The keys n and p move between the hits of a search.

/** Return the place to move to from `current` (-1: none yet), within `count` places. */
export function moved(current, step, count) {
  if (current < 0) return step > 0 ? 0 : count - 1;
  return Math.min(Math.max(current + step, 0), count - 1);
}

/** Listen to the keys, unless the reader writes in a field. */
export function keepHits(root) {
  const hits = [...root.querySelectorAll(".hit")];
  if (!hits.length) return;
  root.querySelector(".keys").hidden = false;
  let current = -1;
  root.addEventListener("keydown", (event) => {
    const step = { n: 1, p: -1 }[event.key];
    const isWriting = event.target.closest("input, select, textarea");
    if (!step || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    current = moved(current, step, hits.length);
    hits[current].focus();
  });
}
