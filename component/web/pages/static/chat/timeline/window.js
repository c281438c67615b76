// Which messages of a conversation are on the page: a window of a few pages, wherever the reader is.
//
// All functions are pure: they return a new window.

/**
 * @typedef {import("../data/api.js").Message} Message
 * @typedef {{messages: readonly Message[], atStart: boolean, atEnd: boolean}} Window
 */

/** Messages in the window at most. Each is one row of the document, with the heading of its day. */
export const MAX = 300;

/** @type {Window} */
export const EMPTY = { messages: [], atStart: true, atEnd: true };

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
  return withNewer(window, { messages: [message], atStart: false, atEnd: true });
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
