// The rows of the timeline: one for each message, with the heading of its day if it is the first.

import { button, element, fill } from "../../shared/dom.js";
import { icon } from "../../shared/icons.js";
import { safe, SHOWN, textNodes } from "../../shared/text.js";
import { clock, dayName, dayOf, full, span } from "../../shared/times.js";

/**
 * @typedef {import("../data/api.js").Message} Message
 * @typedef {import("../data/api.js").Gap} Gap
 * @typedef {import("../data/outbox.js").Pending} Pending
 * @typedef {{message: Message, author: string, authorName: string, isOwn: boolean, isNewDay: boolean,
 *   isFirstUnread: boolean, isContinued: boolean, gaps: Gap[], status: string, marks: RegExp | null,
 *   isRoom: boolean, isMine: (by: string) => boolean, nameOf: (by: string) => string,
 *   avatar: (author: string, name: string) => Node, picture: (file: any) => Node | null}} Row
 * @typedef {{react: (message: Message, emoji: string) => void, menu: (message: Message,
 *   opener: HTMLElement) => void, retry: (pending: Pending) => void, drop: (pending: Pending) => void,
 *   history: (message: Message) => void, jump: (id: string) => void}} Actions
 */

const STATUS = { sent: "Sent", received: "Delivered", displayed: "Read" };
const STATUS_SYMBOL = { sent: "✓", received: "✓✓", displayed: "✓✓" };

/**
 * Return the node of a message: the old one if nothing on it has changed.
 *
 * @param {Row} row
 * @param {HTMLElement | undefined} old
 * @param {Actions} actions
 * @returns {HTMLElement}
 */
export function messageNode(row, old, actions) {
  const state = stateOf(row);
  const known = /** @type {any} */ (old);
  if (known && known.message === row.message && known.state === state) return known;
  const node = known ?? element("li", { class: "row", tabindex: -1 });
  node.message = row.message;
  node.state = state;
  node.id = `m-${row.message.id}`;
  node.classList.toggle("own", row.isOwn);
  node.classList.toggle("continued", row.isContinued);
  fill(
    node,
    gapsText(row.gaps) && element("p", { class: "gap" }, gapsText(row.gaps)),
    row.isNewDay && dayHeading(row.message.time),
    row.isFirstUnread && element("p", { class: "unread-line" }, element("span", {}, "New messages")),
    article(row, actions),
  );
  return node;
}

/**
 * Return what a reader has to know of the gaps at one place, "" if there are none.
 *
 * @param {readonly Gap[]} gaps in their order
 */
export function gapsText(gaps) {
  const [first] = gaps;
  if (!first) return "";
  const { to } = gaps[gaps.length - 1];
  if (!to) return `Messages since ${full(first.from)} may be missing.`;
  return `Messages may be missing here: ${span(first.from, to)}.`;
}

/**
 * Return the node of a message that is not in the archive yet.
 *
 * @param {Pending} pending
 * @param {HTMLElement | undefined} old
 * @param {Actions} actions
 * @returns {HTMLElement}
 */
export function pendingNode(pending, old, actions) {
  const known = /** @type {any} */ (old);
  const state = `${pending.state} ${pending.error}`;
  if (known?.pending === pending && known.state === state) return known;
  const node = known ?? element("li", { class: "row own pending", tabindex: -1 });
  node.pending = pending;
  node.state = state;
  const isFailed = pending.state === "failed";
  const status = pending.state === "sent" ? statusMark("sent") : "Sending…";
  fill(
    node,
    element(
      "article",
      { class: "message" },
      element("div", { class: "text", dir: "auto" }, ...shortened(pending.file?.name ?? pending.body, null)),
      element(
        "p",
        { class: isFailed ? "status failed" : "status" },
        isFailed ? `Not sent: ${pending.error} ` : status,
        isFailed && button("Send again", () => actions.retry(pending), { class: "link" }),
        isFailed && button("Delete", () => actions.drop(pending), { class: "link" }),
      ),
    ),
  );
  return node;
}

/**
 * Return a text of everything on a row beside its message, which changes if the row has to.
 *
 * @param {Row} row
 */
function stateOf(row) {
  const flags = [row.isNewDay, row.isFirstUnread, row.isContinued, row.status, row.authorName];
  return `${flags.join("|")}|${gapsText(row.gaps)}|${row.marks?.source ?? ""}|${dayName(row.message.time)}`;
}

/** @param {string} time */
function dayHeading(time) {
  return element("h2", { class: "day", data: { day: dayOf(time) } }, dayName(time));
}

/**
 * @param {Row} row
 * @param {Actions} actions
 */
function article(row, actions) {
  const { message } = row;
  const name = row.isOwn ? "You" : row.authorName;
  const opens = (/** @type {Event} */ event) =>
    actions.menu(message, /** @type {HTMLElement} */ (event.currentTarget));
  return element(
    "article",
    { class: "message", "aria-label": `${name}, ${clock(message.time)}` },
    !row.isOwn && element("div", { class: "face" }, row.avatar(row.author, row.authorName)),
    element(
      "div",
      { class: "bubble" },
      !row.isOwn && row.isRoom && element("p", { class: "author" }, element("bdi", {}, name)),
      message.reply_to && quoted(row, actions),
      content(row),
      reactions(row, actions),
      element(
        "p",
        { class: "status" },
        message.edited && !message.retracted && editedMark(message, actions),
        element("time", { datetime: message.time, title: full(message.time) }, clock(message.time)),
        row.isOwn && statusMark(row.status),
      ),
    ),
    !message.retracted &&
      button(icon("more"), opens, {
        class: "more",
        tabindex: -1,
        "aria-haspopup": "menu",
        "aria-label": `Actions on the message of ${name}, ${clock(message.time)}`,
      }),
  );
}

/** @param {Row} row */
function content({ message, marks, nameOf, picture }) {
  if (message.retracted) {
    const by = message.retracted.by ? [" by ", element("bdi", {}, nameOf(message.retracted.by))] : [];
    const reason = message.retracted.reason ? `: ${message.retracted.reason}` : "";
    return element("p", { class: "note" }, "This message was deleted", ...by, reason, ".");
  }
  if (message.kind === "blanked") return element("p", { class: "note" }, "The server has removed the content of this message.");
  if (message.file) return [picture(message.file), file(message.file)];
  if (!message.body) return element("p", { class: "note" }, "A message without text.");
  return element("div", { class: "text", dir: "auto" }, ...shortened(message.body, marks));
}

/**
 * Return the message that a message answers: a button that leads to it, if it is here.
 *
 * @param {Row} row
 * @param {Actions} actions
 */
function quoted({ message, isMine, nameOf }, actions) {
  const { id, from, body } = /** @type {NonNullable<Message["reply_to"]>} */ (message.reply_to);
  const name = from ? (isMine(from) ? "You" : nameOf(from)) : "";
  const parts = [
    name && element("bdi", { class: "by" }, name),
    element("span", { class: "excerpt", dir: "auto" }, body ?? "The original message is not available."),
  ];
  if (!id) return element("blockquote", { class: "quoted" }, ...parts);
  const open = button("", () => actions.jump(id), {
    class: "quoted",
    tabindex: -1,
    title: "Show the original message",
  });
  fill(open, ...parts);
  return open;
}

/** @param {NonNullable<Message["file"]>} shared */
function file({ url, name, type, size }) {
  const link = safe(url);
  const shown = name || url.split("/").at(-1) || url;
  const details = [type, size && bytes(size)].filter(Boolean).join(", ");
  const attributes = { rel: "noopener noreferrer nofollow", target: "_blank", tabindex: -1 };
  return element(
    "p",
    { class: "file" },
    icon("file"),
    element("bdi", {}, link ? element("a", { href: link, ...attributes }, shown) : shown),
    details && element("span", { class: "hint" }, details),
  );
}

/** @param {number} size */
function bytes(size) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(Math.floor(Math.log10(Math.max(size, 1)) / 3), units.length - 1);
  const style = { style: "unit", unit: units[step], maximumFractionDigits: 1 };
  return new Intl.NumberFormat(undefined, /** @type {any} */ (style)).format(size / 1000 ** step);
}

/**
 * Return the nodes of a text, and of a very long one the beginning, with a button for the rest.
 *
 * @param {string} text
 * @param {RegExp | null} marks
 */
export function shortened(text, marks) {
  if (text.length <= SHOWN * 1.2) return textNodes(text, marks);
  const more = button(
    `Show all ${text.length.toLocaleString()} characters`,
    () => more.parentElement && fill(more.parentElement, ...textNodes(text, marks)),
    { class: "link", tabindex: -1 },
  );
  // Not between the two halves of a character.
  const end = /[\uD800-\uDBFF]/.test(text[SHOWN - 1]) ? SHOWN - 1 : SHOWN;
  return [...textNodes(`${text.slice(0, end)}…`, marks), element("br"), more];
}

/**
 * @param {Row} row
 * @param {Actions} actions
 */
function reactions({ message, isMine, nameOf }, actions) {
  const all = Object.entries(message.reactions).filter(([, people]) => people.length);
  if (!all.length) return null;
  return element(
    "p",
    { class: "reactions" },
    ...all.map(([emoji, people]) => {
      const names = people.map((by) => (isMine(by) ? "you" : nameOf(by))).join(", ");
      return button(`${emoji} ${people.length}`, () => actions.react(message, emoji), {
        class: "reaction",
        tabindex: -1,
        title: names,
        "aria-label": `${emoji} ${people.length} by ${names}`,
        "aria-pressed": String(people.some(isMine)),
      });
    }),
  );
}

/**
 * @param {Message} message
 * @param {Actions} actions
 */
function editedMark(message, actions) {
  return button("edited", () => actions.history(message), {
    class: "link",
    tabindex: -1,
    title: `Edited ${full(message.edited?.time ?? message.time)}. Show its history`,
  });
}

/** @param {string} status */
function statusMark(status) {
  const key = /** @type {keyof typeof STATUS} */ (status);
  return element(
    "span",
    { class: `mark ${status}`, title: STATUS[key] },
    element("span", { "aria-hidden": "true" }, STATUS_SYMBOL[key]),
    element("span", { class: "hidden" }, STATUS[key]),
  );
}
