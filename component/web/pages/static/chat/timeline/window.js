// Which messages of a conversation are on the page: a window of a few pages, wherever the reader is.
//
// All functions are pure: they return a new window.

/**
 * @typedef {import("../data/api.js").Message} Message
 * @typedef {import("../data/api.js").Gap} Gap
 * @typedef {{messages: readonly Message[], atStart: boolean, atEnd: boolean,
 *   gaps: readonly Gap[]}} Window
 */

/** Messages in the window at most. Each is one row of the document, with the heading of its day. */
export const MAX = 300;

/** @type {Window} */
export const EMPTY = { messages: [], atStart: true, atEnd: true, gaps: [] };

/**
 * Return the window after a page of older messages; the newest ones leave if there are too many.
 *
 * @param {Window} window
 * @param {Window} page
 * @returns {Window}
 */
export function withOlder(window, page) {
  const messages = joined(page.messages, window.messages);
  const isCut = messages.length > MAX;
  return {
    messages: isCut ? messages.slice(0, MAX) : messages,
    atStart: page.atStart,
    atEnd: window.atEnd && !isCut,
    gaps: allGaps(window.gaps, page.gaps),
  };
}

/**
 * Return the window after a page of newer messages; the oldest ones leave if there are too many.
 *
 * @param {Window} window
 * @param {Window} page
 * @returns {Window}
 */
export function withNewer(window, page) {
  const messages = joined(window.messages, page.messages);
  const isCut = messages.length > MAX;
  return {
    messages: isCut ? messages.slice(messages.length - MAX) : messages,
    atStart: window.atStart && !isCut,
    atEnd: page.atEnd,
    gaps: allGaps(window.gaps, page.gaps),
  };
}

/**
 * Return the window after a new message. It is not taken if messages before it are missing here.
 *
 * @param {Window} window
 * @param {Message} message
 * @returns {Window}
 */
export function withMessage(window, message) {
  if (window.messages.some((other) => other.id === message.id)) return withChanged(window, message);
  if (!window.atEnd) return window;
  return withNewer(window, { messages: [message], atStart: false, atEnd: true, gaps: [] });
}

/**
 * Return the window with a message as it is now.
 *
 * @param {Window} window
 * @param {Message} message
 * @returns {Window}
 */
export function withChanged(window, message) {
  const index = window.messages.findIndex((other) => other.id === message.id);
  if (index < 0) return window;
  return { ...window, messages: window.messages.with(index, message) };
}

/**
 * Return the window with more gaps.
 *
 * @param {Window} window
 * @param {readonly Gap[]} gaps
 * @returns {Window}
 */
export function withGaps(window, gaps) {
  return { ...window, gaps: allGaps(window.gaps, gaps) };
}

/**
 * Return for each message the gaps between it and the one before, and at last those behind all of
 * them. What is missing before the first message, nobody knows to be of this conversation.
 *
 * @param {Window} window
 * @returns {Gap[][]}
 */
export function gapsBefore({ messages, gaps, atEnd }) {
  /** @type {Gap[][]} */
  const places = Array.from({ length: messages.length + 1 }, () => []);
  for (const gap of gaps) {
    const end = gap.to ?? gap.from;
    const index = messages.findIndex(({ time }) => time > end);
    if (index > 0) places[index].push(gap);
    else if (index < 0 && messages.length && atEnd) places[messages.length].push(gap);
  }
  return places;
}

/**
 * Return the id of the first message of others among the last `unread` ones, null if none is here.
 *
 * @param {readonly Message[]} messages
 * @param {number} unread
 * @param {string | null} displayed id of the last message that the user has seen
 * @param {(message: Message) => boolean} isOwn
 */
export function firstUnread(messages, unread, displayed, isOwn) {
  if (unread < 1) return null;
  const seen = displayed ? messages.findIndex((message) => message.id === displayed) : -1;
  if (seen >= 0) return messages.slice(seen + 1).find((message) => !isOwn(message))?.id ?? null;
  const others = messages.filter((message) => !isOwn(message) && message.kind === "message");
  return others.at(-Math.min(unread, others.length))?.id ?? null;
}

/**
 * Return the gaps of two lists in their order, each once, as the later list has it.
 *
 * @param {readonly Gap[]} earlier
 * @param {readonly Gap[]} later
 */
function allGaps(earlier, later) {
  if (!later.length) return earlier;
  const gaps = new Map([...earlier, ...later].map((gap) => [gap.from, gap]));
  return [...gaps.values()].sort((a, b) => (a.from < b.from ? -1 : 1));
}

/**
 * Return two lists behind each other. A message that is in both is there once, as the later list has
 * it.
 *
 * @param {readonly Message[]} earlier
 * @param {readonly Message[]} later
 */
function joined(earlier, later) {
  const ids = new Set(later.map((message) => message.id));
  return [...earlier.filter((message) => !ids.has(message.id)), ...later];
}
