// Whether the other side has received or displayed what the user has sent.

/**
 * @typedef {import("../data/api.js").Message} Message
 */

/**
 * Return "displayed", "received" or "sent" of each message of the user, by its id.
 *
 * A marker stands for all messages before its own (XEP-0333). An answer shows nothing: it may have been
 * written before the message was there.
 *
 * @param {readonly Message[]} messages
 * @param {(message: Message) => boolean} isOwn
 * @returns {Map<string, "displayed" | "received" | "sent">}
 */
export function statuses(messages, isOwn) {
  const found = new Map();
  let isDisplayed = false;
  for (let index = messages.length - 1; index >= 0; index--) {
    const message = messages[index];
    isDisplayed ||= message.receipts.some(({ state }) => state === "displayed");
    if (!isOwn(message)) continue;
    const state = message.receipts.length ? "received" : "sent";
    found.set(message.id, isDisplayed ? "displayed" : state);
  }
  return found;
}
