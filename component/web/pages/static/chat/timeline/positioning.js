// Where the view of a list is, before and after its rows change. It is the only module that decides
// this, and all its functions are pure.
//
// Positions are in CSS pixels from the top of the content. A box is the place of a row.

/**
 * @typedef {{id: string, top: number, height: number}} Box
 * @typedef {{id: string, offset: number}} Anchor offset: from the top of the view to that of the row
 * @typedef {{top: number, height: number, content: number}} View top: how far it is scrolled
 */

/** Closer to the end than this, the reader follows new messages. */
export const END_SLACK = 32;

/** So many views before an end of the rows the next page is read. */
export const AHEAD = 2;

/**
 * Return the first row that is in the view at least in part, null without rows.
 *
 * @param {number} count of rows
 * @param {(index: number) => Box} boxAt in their order
 * @param {View} view
 * @returns {Anchor | null}
 */
export function anchorOf(count, boxAt, view) {
  if (!count) return null;
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const box = boxAt(middle);
    if (box.top + box.height > view.top) high = middle;
    else low = middle + 1;
  }
  const box = boxAt(low);
  return { id: box.id, offset: box.top - view.top };
}

/**
 * Return how far to scroll so that a row is where it was in the view.
 *
 * @param {Anchor} anchor
 * @param {Box} box the row of the anchor now
 */
export function topFor(anchor, box) {
  return Math.max(0, box.top - anchor.offset);
}

/** @param {View} view */
export function isAtEnd(view) {
  return view.content - view.top - view.height <= END_SLACK;
}

/**
 * Return in which direction messages are to be read next, null if enough are there.
 *
 * @param {View} view
 * @param {{atStart: boolean, atEnd: boolean}} window
 * @returns {"older" | "newer" | null}
 */
export function neededPage(view, { atStart, atEnd }) {
  const ahead = AHEAD * view.height;
  if (!atStart && view.top < ahead) return "older";
  if (!atEnd && view.content - view.top - view.height < ahead) return "newer";
  return null;
}

/**
 * Return how far to scroll so that a row is a third down the view, and its context above it.
 *
 * @param {Box} box
 * @param {View} view
 */
export function topToShow(box, view) {
  return Math.max(0, Math.min(box.top - view.height / 3, view.content - view.height));
}

/**
 * Return the index of the last row that is in the view as a whole, or fills it; -1 if there is none.
 *
 * @param {number} count
 * @param {(index: number) => Box} boxAt
 * @param {View} view
 */
export function lastSeen(count, boxAt, view) {
  const end = view.top + view.height + 1;
  for (let index = count - 1; index >= 0; index--) {
    const box = boxAt(index);
    if (box.top + box.height <= end) return index;
    if (box.top <= view.top && box.top + box.height >= end) return index;
  }
  return -1;
}
