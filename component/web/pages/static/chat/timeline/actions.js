// What a reader does with a message: react, correct, retract, look at its history, copy it.

import { button, element, fill } from "../../shared/dom.js";
import { clock, full } from "../../shared/times.js";
import { ask, showDialog } from "../view/dialogs.js";
import { shortened } from "./rows.js";

/**
 * @typedef {import("../data/api.js").Message} Message
 * @typedef {import("../data/api.js").Conversation} Conversation
 */

const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🎉"];
const MORE = [
  ...["👎", "🙏", "👏", "🔥", "✅", "❌", "👀", "🤔", "😀", "😉", "😍", "😎", "🙄", "😴", "😡", "🤷"],
  ...["💯", "🚀", "☕", "🍕", "🌞", "🌧️", "⭐", "💡"],
];

export class MessageActions {
  /**
   * @param {import("../data/api.js").Api} api
   * @param {{place: () => HTMLElement, chat: () => Conversation, isOwn: (message: Message) => boolean,
   *   isMine: (by: string) => boolean, edit: (message: Message) => void,
   *   answer: (message: Message) => void,
   *   fail: (text: string) => void}} context
   */
  constructor(api, context) {
    this._api = api;
    this._context = context;
    this._menu = element("div", {
      class: "menu",
      role: "menu",
      popover: "auto",
      "aria-label": "Actions on the message",
      on: { keydown: (/** @type {KeyboardEvent} */ event) => this._onKey(event) },
    });
  }

  /**
   * Open the menu of a message.
   *
   * @param {Message} message
   * @param {HTMLElement} opener gets the focus back
   */
  open(message, opener) {
    const isOwn = this._context.isOwn(message);
    const item = (/** @type {string} */ text, /** @type {() => void} */ run, label = text) =>
      button(text, () => this._close(opener, run), {
        role: "menuitem",
        tabindex: -1,
        "aria-label": label,
      });
    fill(
      this._menu,
      element(
        "div",
        { class: "emojis", role: "group", "aria-label": "React" },
        ...QUICK.map((emoji) => item(emoji, () => this.react(message, emoji), `React with ${emoji}`)),
        item("+", () => this._chooseEmoji(message), "Other reaction"),
      ),
      item("Reply", () => this._context.answer(message)),
      isOwn && message.body && !message.file && item("Edit", () => this._context.edit(message)),
      isOwn && item("Delete for everyone", () => this._retract(message)),
      message.edited && item("History of edits", () => this.history(message)),
      message.body && item("Copy text", () => this._copy(message.body ?? "")),
      item("Copy link to the message", () => this._copy(this._link(message))),
    );
    this._context.place().append(this._menu);
    this._menu.showPopover();
    this._placeAt(opener);
    this._items()[0].focus();
    const back = (/** @type {any} */ event) => {
      if (event.newState === "closed") {
        this._menu.removeEventListener("toggle", back);
        if (!document.activeElement || document.activeElement === document.body) opener.focus();
      }
    };
    this._menu.addEventListener("toggle", back);
  }

  /**
   * Add a reaction of the user, or take it back.
   *
   * @param {Message} message
   * @param {string} emoji
   */
  async react(message, emoji) {
    const own = Object.entries(message.reactions)
      .filter(([, people]) => people.some(this._context.isMine))
      .map(([reaction]) => reaction);
    const reactions = own.includes(emoji)
      ? own.filter((reaction) => reaction !== emoji)
      : [...own, emoji];
    await this._send({ reacts_to: message.id, reactions });
  }

  /** @param {Message} message */
  async history(message) {
    const list = element("ol", { class: "history" });
    fill(list, element("li", {}, "Loading…"));
    showDialog("History of edits", list);
    try {
      const { versions, isWhole } = await this._api.history(this._context.chat(), message);
      fill(
        list,
        ...versions.map((version, index) =>
          element(
            "li",
            {},
            element(
              "p",
              { class: "hint" },
              index ? "Edited " : "Sent ",
              element("time", { datetime: version.time }, full(version.time)),
            ),
            element("div", { class: "text", dir: "auto" }, ...shortened(version.body ?? "", null)),
          ),
        ),
      );
      if (!isWhole) list.append(element("li", {}, "Later edits may be missing here."));
    } catch (error) {
      fill(list, element("li", {}, /** @type {Error} */ (error).message));
    }
  }

  /** @param {Message} message */
  async _retract(message) {
    const when = clock(message.time);
    const text = `Delete your message of ${when} for everyone? Others may have read it already.`;
    if (await ask("Delete the message", text, "Delete")) await this._send({ retracts: message.id });
  }

  /** @param {Message} message */
  _chooseEmoji(message) {
    const field = element("input", { name: "emoji", maxlength: 16, autocomplete: "off" });
    const choose = (/** @type {string} */ emoji) => {
      dialog.close();
      if (emoji) this.react(message, emoji);
    };
    const grid = element(
      "div",
      { class: "emojis grid" },
      ...MORE.map((emoji) =>
        button(emoji, () => choose(emoji), { "aria-label": `React with ${emoji}` }),
      ),
    );
    const form = element(
      "form",
      {
        on: {
          submit: (/** @type {Event} */ event) => {
            event.preventDefault();
            choose(field.value.trim());
          },
        },
      },
      element("label", {}, "Any other emoji ", field),
      element("button", {}, "React"),
    );
    const dialog = showDialog("Choose a reaction", grid, form);
  }

  /** @param {Record<string, any>} fields */
  async _send(fields) {
    try {
      await this._api.send(this._context.chat(), fields);
    } catch (error) {
      this._context.fail(/** @type {Error} */ (error).message);
    }
  }

  /** @param {string} text */
  async _copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      this._context.fail("The browser does not allow copying.");
    }
  }

  /** @param {Message} message */
  _link(message) {
    const { jid } = this._context.chat();
    const place = `#/chat/${encodeURIComponent(jid)}/${encodeURIComponent(message.id)}`;
    return new URL(place, location.href).href;
  }

  /**
   * @param {HTMLElement} opener
   * @param {() => void} run
   */
  _close(opener, run) {
    this._menu.hidePopover();
    opener.focus();
    run();
  }

  /** @param {HTMLElement} opener */
  _placeAt(opener) {
    const target = (opener.querySelector(".more") ?? opener).getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this._menu;
    const left = Math.max(8, Math.min(target.right - width, innerWidth - width - 8));
    const below = target.bottom + 4;
    const top = below + height < innerHeight ? below : Math.max(8, target.top - height - 4);
    Object.assign(this._menu.style, { left: `${left}px`, top: `${top}px` });
  }

  /** @returns {HTMLElement[]} */
  _items() {
    return [...this._menu.querySelectorAll("[role=menuitem]")];
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    const items = this._items();
    const place = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
    const step = /** @type {any} */ (steps)[event.key];
    if (step) items[(place + step + items.length) % items.length].focus();
    else if (event.key === "Home") items[0].focus();
    else if (event.key === "End") items[items.length - 1].focus();
    else if (event.key === "Tab") this._menu.hidePopover();
    else return;
    event.preventDefault();
  }
}
