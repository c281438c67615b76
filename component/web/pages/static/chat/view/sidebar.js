// The list of conversations, with the newest message of each and the number of unread ones.

import { button, element, fill, reconcile } from "../../shared/dom.js";
import { icon } from "../../shared/icons.js";
import { brief, full } from "../../shared/times.js";

/** @typedef {import("../data/api.js").Conversation} Conversation */

export class Sidebar {
  /**
   * @param {import("../data/store.js").Store} store
   * @param {import("./avatars.js").Avatars} avatars
   * @param {{more: () => Promise<void>, find: () => void, newRoom: () => void, menu: () => void,
   *   reload: () => void, search: () => void}} commands
   */
  constructor(store, avatars, commands) {
    this._store = store;
    this._avatars = avatars;
    this._commands = commands;
    this._current = "";
    this._list = element("ul", { class: "conversations" });
    this._note = element("div", { class: "sidebar-note" });
    this._more = button("Older conversations", () => this._readMore(), { class: "link", hidden: true });
    this._state = element("span", { class: "connection", role: "status" });
    this.element = element(
      "nav",
      { class: "sidebar", "aria-label": "Conversations" },
      element(
        "header",
        { class: "bar" },
        element("h1", {}, "Chats"),
        this._state,
        button(icon("search"), commands.search, {
          class: "icon",
          title: "Search all conversations",
          "aria-label": "Search all conversations",
        }),
        button(icon("add"), commands.find, { class: "icon", title: "New chat (Ctrl+K)", "aria-label": "New chat" }),
        button(icon("room"), commands.newRoom, { class: "icon", title: "New room", "aria-label": "New room" }),
        button(icon("menu"), commands.menu, { class: "icon", title: "Your account", "aria-label": "Your account" }),
      ),
      element("div", { class: "sidebar-scroller" }, this._note, this._list, this._more),
    );
    this._list.addEventListener("keydown", (/** @type {any} */ event) => this._onKey(event));
    store.addEventListener("conversations", () => this._schedule());
    store.addEventListener("presence", () => this._schedule());
    this._isScheduled = false;
    this._render();
  }

  /** @param {string} jid of the conversation that is shown */
  select(jid) {
    this._current = jid;
    this._render();
  }

  /** @param {boolean} isConnected */
  setConnected(isConnected) {
    this._state.textContent = isConnected ? "" : "Reconnecting…";
  }

  /** @param {Error} error that kept the conversations from being read */
  fail(error) {
    fill(
      this._note,
      element("p", { class: "error", role: "alert" }, error.message),
      button("Try again", this._commands.reload),
    );
  }

  /** Put the focus on the conversation that is shown, or on the first one. */
  focus() {
    const links = [...this._list.querySelectorAll("a")];
    (links.find((link) => link.getAttribute("aria-current")) ?? links[0])?.focus();
  }

  /** Many events at once need one new list. */
  _schedule() {
    if (this._isScheduled) return;
    this._isScheduled = true;
    requestAnimationFrame(() => {
      this._isScheduled = false;
      this._render();
    });
  }

  _render() {
    const chats = this._store.sorted();
    const text = this._store.isLoaded ? "No conversations yet. Start one with + above, or with Ctrl+K." : "Loading…";
    fill(this._note, !chats.length && element("p", {}, text));
    reconcile(
      this._list,
      chats,
      (chat) => chat.jid,
      (chat, old) => this._item(chat, old),
    );
    this._more.hidden = !this._store.next;
    this._rove();
    const { unread } = this._store;
    document.title = unread ? `(${unread}) Chat` : "Chat";
  }

  /**
   * @param {Conversation} chat
   * @param {any} old
   */
  _item(chat, old) {
    const isCurrent = chat.jid === this._current;
    const availability = this._store.availability(chat.jid);
    const state = `${isCurrent}|${availability}|${chat.last && brief(chat.last.time)}`;
    if (old?.chat === chat && old.state === state) return old;
    const item = old ?? element("li");
    const hadFocus = item.contains(document.activeElement);
    item.chat = chat;
    item.state = state;
    const { last, unread } = chat;
    fill(
      item,
      element(
        "a",
        {
          href: `#/chat/${encodeURIComponent(chat.jid)}`,
          class: unread ? "conversation unread" : "conversation",
          tabindex: -1,
          "aria-current": isCurrent ? "page" : null,
        },
        element(
          "span",
          { class: `face ${availability}` },
          this._avatars.node(chat.jid, chat.name),
        ),
        element(
          "span",
          { class: "name" },
          element("bdi", {}, chat.name),
          availability && element("span", { class: "hidden" }, `, ${availability}`),
        ),
        last && element("time", { datetime: last.time, title: full(last.time) }, brief(last.time)),
        element("span", { class: "preview" }, element("bdi", {}, this._preview(chat))),
        unread > 0 &&
          element(
            "span",
            { class: "badge" },
            element("span", { class: "hidden" }, ", "),
            unread > 999 ? "999+" : unread,
            element("span", { class: "hidden" }, " unread"),
          ),
      ),
    );
    if (hadFocus) item.firstElementChild.focus();
    return item;
  }

  /** @param {Conversation} chat */
  _preview({ last, type }) {
    if (!last) return "";
    if (last.retracted) return "Deleted message";
    const shown = last.file ? `File: ${last.file.name ?? last.file.url}` : (last.body ?? "no text");
    const text = shown.slice(0, 120).replace(/\s+/g, " ");
    if (last.direction === "send" && type === "direct") return `You: ${text}`;
    return type === "room" && last.resource ? `${last.resource}: ${text}` : text;
  }

  async _readMore() {
    this._more.disabled = true;
    try {
      await this._commands.more();
    } finally {
      this._more.disabled = false;
    }
  }

  /** One conversation is reached by Tab, the others by arrows. */
  _rove() {
    const links = [...this._list.querySelectorAll("a")];
    const active = links.find((link) => link === document.activeElement);
    const current = active ?? links.find((link) => link.getAttribute("aria-current")) ?? links[0];
    for (const link of links) link.tabIndex = link === current ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    const links = [...this._list.querySelectorAll("a")];
    const place = links.indexOf(document.activeElement);
    const last = links.length - 1;
    const targets = { ArrowDown: Math.min(place + 1, last), ArrowUp: Math.max(place - 1, 0), Home: 0, End: last };
    const target = /** @type {any} */ (targets)[event.key];
    if (target === undefined) return;
    links[target].focus();
    this._rove();
    event.preventDefault();
  }
}
