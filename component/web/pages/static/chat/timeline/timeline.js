// The timeline of one conversation: a list that is scrolled both ways through all its messages.

import { announce } from "../../shared/announce.js";
import { button, element, fill, reconcile } from "../../shared/dom.js";
import { icon } from "../../shared/icons.js";
import { dayName, dayOf } from "../../shared/times.js";
import { anchorOf, isAtEnd, lastSeen, neededPage, topFor, topToShow } from "./positioning.js";
import { gapsText, messageNode, pendingNode } from "./rows.js";
import { statuses } from "./statuses.js";
import * as windows from "./window.js";

/**
 * @typedef {import("../data/api.js").Message} Message
 * @typedef {import("../data/api.js").Conversation} Conversation
 * @typedef {import("./window.js").Window} Window
 */

/** Milliseconds that a reader stays before a message counts as seen. */
const SEEN_AFTER = 300;

/** Messages of one author within this time stand below one name. */
const CONTINUED_MS = 5 * 60_000;

/** Emits "state" with "loading", "ready" or "failed". */
export class Timeline extends EventTarget {
  /**
   * @param {import("../data/api.js").Api} api
   * @param {import("../data/store.js").Store} store
   * @param {import("../data/outbox.js").Outbox} outbox
   * @param {Pick<import("./rows.js").Row, "avatar" | "picture">} images of people, and in messages
   * @param {import("./rows.js").Actions} actions
   */
  constructor(api, store, outbox, images, actions) {
    super();
    this._api = api;
    this._store = store;
    this._outbox = outbox;
    this._images = images;
    this._actions = actions;
    /** @type {Conversation | null} */
    this.chat = null;
    /** @type {Window} */
    this.window = windows.EMPTY;
    /** @type {string | null} */
    this._firstUnread = null;
    /** @type {RegExp | null} */
    this._marks = null;
    this._newBelow = 0;
    this._follows = true;
    /** @type {import("./positioning.js").Anchor | null} */
    this._anchor = null;
    this._loading = false;
    this._aborter = new AbortController();
    this._seenTimer = 0;
    this._sentDisplayed = "";
    this._list = element("ol", { class: "rows", "aria-label": "Messages" });
    this._note = element("div", { class: "timeline-note" });
    this._lastGap = element("p", { class: "gap", hidden: true });
    this._scroller = element("div", { class: "scroller" }, this._note, this._list, this._lastGap);
    this._date = element("p", { class: "floating-date", "aria-hidden": "true" });
    this._busy = element("p", { class: "busy", role: "presentation", hidden: true }, "Loading…");
    this._jump = button("", () => this.toEnd(), { class: "jump", hidden: true });
    this.element = element(
      "div",
      { class: "timeline" },
      this._scroller,
      this._date,
      this._busy,
      this._jump,
    );
    this._listen();
  }

  _listen() {
    this._scroller.addEventListener("scroll", () => this._onScroll(), { passive: true });
    this._list.addEventListener("keydown", (/** @type {any} */ event) => this._onKey(event));
    this._list.addEventListener("focusin", (/** @type {any} */ event) => {
      const row = event.target.closest("li.row");
      if (row) this._rove(row);
    });
    new ResizeObserver(() => this._restore()).observe(this._scroller);
    new ResizeObserver(() => this._restore()).observe(this._list);
    this._store.addEventListener("message", (event) => {
      const { jid, message } = /** @type {any} */ (event).detail;
      if (jid === this.chat?.jid) this._take(message);
    });
    this._store.addEventListener("changed", (event) => {
      const { jid, message } = /** @type {any} */ (event).detail;
      if (jid && jid !== this.chat?.jid) return;
      this._change(() => {
        this.window = windows.withChanged(this.window, message);
      });
    });
    this._outbox.addEventListener("change", (event) => {
      if (/** @type {any} */ (event).detail === this.chat?.jid) this._change(() => {});
    });
    for (const type of ["focus", "visibilitychange"]) {
      (type === "focus" ? window : document).addEventListener(type, () => this._noteSeen());
    }
  }

  /**
   * Show a conversation: at its first unread message, at the message `around`, or at the first one of
   * the time `at` or later.
   *
   * @param {Conversation} chat
   * @param {{around?: string | null, at?: string | null, atEnd?: boolean, marks?: RegExp | null}} [place] atEnd: at the
   *   newest message, whether or not it is unread
   */
  async open(chat, { around = null, at = null, atEnd = false, marks = null } = {}) {
    this._aborter.abort();
    const aborter = (this._aborter = new AbortController());
    const isOther = chat.jid !== this.chat?.jid;
    this.chat = chat;
    this._marks = marks;
    this._newBelow = 0;
    this._loading = false;
    this._list.ariaBusy = "false";
    if (isOther) {
      this.window = windows.EMPTY;
      this._firstUnread = null;
      this._sentDisplayed = "";
      this._list.replaceChildren();
    }
    this._setState("loading");
    const slow = setTimeout(() => this._showNote("Loading messages…"), 200);
    try {
      const unread = atEnd ? { ...chat, unread: 0 } : chat;
      const place = at ? { at } : around ? { around } : null;
      const page = await this._firstPage(unread, place, aborter.signal);
      if (aborter.signal.aborted) return;
      const isSince = (/** @type {Message} */ one) => at && Date.parse(one.time) >= Date.parse(at);
      const shown = around ?? page.messages.find(isSince)?.id ?? null;
      this._show(unread, page, shown, atEnd || at !== null);
    } catch (error) {
      if (aborter.signal.aborted) return;
      this._showNote(
        /** @type {Error} */ (error).message,
        button("Try again", () => this.open(chat, { around, at, atEnd, marks })),
      );
      this._setState("failed");
    } finally {
      clearTimeout(slow);
    }
  }

  /** Show the newest messages. */
  async toEnd() {
    if (!this.chat) return;
    if (!this.window.atEnd) {
      await this.open(this.chat, { atEnd: true });
      return;
    }
    this._newBelow = 0;
    this._scrollTo(this._scroller.scrollHeight);
  }

  /**
   * Show a message of this conversation, and its context.
   *
   * @param {string} id
   */
  async jump(id) {
    const row = this._row(id);
    if (row) {
      this._scrollTo(topToShow(this._boxOf(row), this._view()));
      this._flash(row);
    } else if (this.chat) {
      await this.open(this.chat, { around: id });
    }
  }

  /**
   * Show the first message of a day, or of the next day that has one.
   *
   * @param {string} day such as 2026-01-31, of the reader
   */
  async goToDay(day) {
    if (this.chat) await this.open(this.chat, { at: new Date(`${day}T00:00`).toISOString() });
  }

  /** The day that is shown, as a form has it; "" without messages. */
  get shownDay() {
    const row = /** @type {any} */ (this._anchor && this._row(this._anchor.id, true));
    const time = row?.message?.time;
    return time ? dayOf(time) : "";
  }

  /** Show what the user has just written. */
  follow() {
    this._firstUnread = null;
    return this.toEnd();
  }

  /** Leave the marks of a search. */
  clearMarks() {
    if (this._marks) {
      this._marks = null;
      this._change(() => {});
    }
  }

  /** Read what came while the stream was away, without moving the view. */
  async catchUp() {
    const last = this.window.messages.at(-1);
    if (!this.chat || !this.window.atEnd) return;
    if (!last) await this.open(this.chat);
    else {
      this.window = { ...this.window, atEnd: false };
      await this._load("newer");
    }
  }

  /** Read the times of which messages may be missing, after the server was away. */
  async readGaps() {
    const { chat } = this;
    const last = this.window.messages.at(-1);
    if (!chat || !last || !this.window.atEnd) return;
    const { signal } = this._aborter;
    try {
      const { gaps } = await this._api.messages(chat, { after: last.id }, signal);
      if (signal.aborted || !gaps.length) return;
      this._change(() => {
        this.window = windows.withGaps(this.window, gaps);
      });
    } catch {
      // They are read with the next page.
    }
  }

  /** Return the last message of the user, which an arrow brings back for a correction. */
  lastOwn() {
    return this.window.messages.findLast(
      (message) =>
        this.isOwn(message) && message.body && !message.file && !message.retracted,
    );
  }

  /** Put the focus on the newest row in the view. */
  focusRow() {
    const index = lastSeen(this._list.children.length, (place) => this._boxAt(place), this._view());
    /** @type {HTMLElement | undefined} */ (this._list.children[Math.max(index, 0)])?.focus();
  }

  /**
   * @param {Conversation} chat
   * @param {{around: string} | {at: string} | null} place
   * @param {AbortSignal} signal
   */
  async _firstPage(chat, place, signal) {
    if (place) return this._api.messages(chat, place, signal);
    if (chat.unread > 20) {
      if (chat.displayed) return this._api.messages(chat, { around: chat.displayed }, signal);
      return this._api.messages(chat, { limit: Math.min(chat.unread + 20, 250) }, signal);
    }
    return this._api.messages(chat, {}, signal);
  }

  /**
   * @param {Conversation} chat
   * @param {import("../data/api.js").Page} page
   * @param {string | null} around
   * @param {boolean} atEnd
   */
  _show(chat, page, around, atEnd) {
    this.window = page;
    const isOwn = (/** @type {Message} */ message) => this.isOwn(message);
    this._firstUnread ??= windows.firstUnread(page.messages, chat.unread, chat.displayed, isOwn);
    this._render();
    const target = around ?? (atEnd ? null : this._firstUnread);
    const row = target && this._row(target);
    if (row) {
      this._scrollTo(topToShow(this._boxOf(row), this._view()));
      if (around) this._flash(row);
    } else {
      this._scrollTo(this._scroller.scrollHeight);
    }
    this._setState("ready");
    this._onScroll();
  }

  /** @param {Message} message a new one */
  _take(message) {
    if (!this.chat) return;
    const isKnown = this.window.messages.some((other) => other.id === message.id);
    const isOwn = this.isOwn(message);
    if (isKnown) return;
    if (!isOwn) {
      announce(`${this.nameOf(message)}: ${(message.body ?? "").slice(0, 300)}`);
      if (!this._follows) this._newBelow += 1;
      const isRead = !this._store.conversations.get(this.chat.jid)?.unread;
      if (isRead && !document.hasFocus()) this._firstUnread = message.id;
    }
    this._change(() => {
      this.window = windows.withMessage(this.window, message);
    });
    this._showJump();
  }

  /**
   * Change the rows, and keep the view where it is: at the end, or at the row that it shows.
   *
   * @param {() => void} change
   */
  _change(change) {
    const follows = this._follows && this.window.atEnd;
    const anchor = this._currentAnchor();
    change();
    this._render();
    this._place(follows, anchor);
    this._onScroll();
  }

  /** @param {"older" | "newer"} direction */
  async _load(direction) {
    const { chat } = this;
    const { signal } = this._aborter;
    const { messages } = this.window;
    if (!chat || this._loading || !messages.length) return;
    this._loading = true;
    this._list.ariaBusy = "true";
    const slow = setTimeout(() => (this._busy.hidden = false), 300);
    try {
      const isOlder = direction === "older";
      const place = isOlder ? { before: messages[0].id } : { after: messages[messages.length - 1].id };
      const page = await this._api.messages(chat, place, signal);
      if (signal.aborted) return;
      this._loading = false;
      this._list.ariaBusy = "false";
      const added = (isOlder ? windows.withOlder : windows.withNewer)(this.window, page);
      this._change(() => {
        this.window = added;
      });
    } catch {
      // The next move of the reader tries again.
      if (!signal.aborted) setTimeout(() => (this._loading = false), 1000);
      this._list.ariaBusy = "false";
    } finally {
      clearTimeout(slow);
      this._busy.hidden = true;
    }
  }

  _render() {
    const { chat, window: shown } = this;
    if (!chat) return;
    const isOwn = (/** @type {Message} */ message) => this.isOwn(message);
    const states = statuses(shown.messages, isOwn);
    const gaps = windows.gapsBefore(shown);
    const sent = new Set(shown.messages.filter(isOwn).map((message) => message.message_id));
    const pending = shown.atEnd ? this._outbox.of(chat.jid).filter(({ id }) => !sent.has(id)) : [];
    /** @type {any[]} */
    const items = [...shown.messages, ...pending];
    reconcile(
      this._list,
      items,
      (item) => (item.state ? `pending-${item.id}` : item.id),
      (item, old, index) => {
        if (item.state) return pendingNode(item, old, this._actions);
        const before = shown.messages[index - 1];
        return messageNode(this._rowOf(item, before, states, gaps[index]), old, this._actions);
      },
    );
    const lastGap = gapsText(gaps[shown.messages.length]);
    this._lastGap.hidden = !lastGap;
    this._lastGap.textContent = lastGap;
    this._showEmpty(items.length === 0);
    if (!this._list.querySelector('[tabindex="0"]')) this._rove(this._list.lastElementChild);
  }

  /**
   * @param {Message} message
   * @param {Message | undefined} before
   * @param {Map<string, string>} states
   * @param {import("../data/api.js").Gap[]} gaps between both
   * @returns {import("./rows.js").Row}
   */
  _rowOf(message, before, states, gaps) {
    const chat = /** @type {Conversation} */ (this.chat);
    const isNewDay = !before || dayOf(before.time) !== dayOf(message.time);
    const isFirstUnread = message.id === this._firstUnread;
    const isContinued =
      !isNewDay &&
      !isFirstUnread &&
      !gaps.length &&
      authorOf(before) === authorOf(message) &&
      Date.parse(message.time) - Date.parse(before.time) < CONTINUED_MS;
    return {
      message,
      author: authorOf(message),
      authorName: this.nameOf(message),
      isOwn: this.isOwn(message),
      isNewDay,
      isFirstUnread,
      isContinued,
      gaps,
      status: states.get(message.id) ?? "",
      marks: this._marks,
      isRoom: chat.type === "room",
      isMine: (by) => this.isMine(by),
      nameOf: (by) => this.nameBy(by),
      ...this._images,
    };
  }

  /** @param {Message} message */
  isOwn(message) {
    if (message.author) return message.author === this._store.me;
    if (this.chat?.type === "room") return this.isMine(message.from);
    return message.direction === "send";
  }

  /** @param {string} by */
  isMine(by) {
    if (by.split("/")[0] === this._store.me) return true;
    return this.chat?.type === "room" && by === `${this.chat.jid}/${this._store.me.split("@")[0]}`;
  }

  /** @param {Message} message */
  nameOf(message) {
    if (message.author && this._store.names.has(message.author)) {
      return this._store.nameOf(message.author);
    }
    return this.nameBy(message.from);
  }

  /** @param {string} by */
  nameBy(by) {
    if (this.chat?.type === "room" && by.startsWith(`${this.chat.jid}/`)) {
      return by.slice(this.chat.jid.length + 1);
    }
    return this._store.nameOf(by.split("/")[0]);
  }

  _onScroll() {
    if (!this.chat || this.element.dataset.state !== "ready") return;
    const view = this._view();
    this._follows = isAtEnd(view);
    this._anchor = anchorOf(this._list.children.length, (index) => this._boxAt(index), view);
    if (this._follows && this.window.atEnd) this._newBelow = 0;
    this._showJump();
    this._showDate();
    this._noteSeen();
    const needed = neededPage(view, this.window);
    if (needed) this._load(needed);
  }

  /** The size of the view or of a row has changed. */
  _restore() {
    if (this.element.dataset.state === "ready") this._place(this._follows, this._anchor);
  }

  /**
   * @param {boolean} follows
   * @param {import("./positioning.js").Anchor | null} anchor
   */
  _place(follows, anchor) {
    const row = anchor && this._row(anchor.id, true);
    if (follows && this.window.atEnd) this._scrollTo(this._scroller.scrollHeight);
    else if (anchor && row) this._scrollTo(topFor(anchor, this._boxOf(row)));
  }

  _currentAnchor() {
    return anchorOf(this._list.children.length, (index) => this._boxAt(index), this._view());
  }

  /** @param {number} top */
  _scrollTo(top) {
    if (Math.abs(this._scroller.scrollTop - top) >= 0.5) this._scroller.scrollTop = top;
  }

  _view() {
    const { scrollTop, clientHeight, scrollHeight } = this._scroller;
    return { top: scrollTop, height: clientHeight, content: scrollHeight };
  }

  /** @param {number} index */
  _boxAt(index) {
    return this._boxOf(this._list.children[index]);
  }

  /**
   * Return the place of a message, without the heading above it, which comes and goes.
   *
   * @param {any} row
   */
  _boxOf(row) {
    const rect = row.lastElementChild.getBoundingClientRect();
    const origin = this._scroller.getBoundingClientRect().top - this._scroller.scrollTop;
    return { id: row.dataset.key, top: rect.top - origin, height: rect.height };
  }

  /**
   * Return the row of a message.
   *
   * @param {string} id of the message, or the key of the row
   * @param {boolean} [isKey]
   * @returns {HTMLElement | null}
   */
  _row(id, isKey = false) {
    if (!isKey) return document.getElementById(`m-${id}`);
    return this._list.querySelector(`:scope > [data-key="${CSS.escape(id)}"]`);
  }

  /** @param {HTMLElement} row */
  _flash(row) {
    row.classList.add("flash");
    row.focus({ preventScroll: true });
    setTimeout(() => row.classList.remove("flash"), 2500);
  }

  /** Tell the server which message the user has seen. */
  _noteSeen() {
    clearTimeout(this._seenTimer);
    this._seenTimer = setTimeout(() => this._markSeen(), SEEN_AFTER);
  }

  async _markSeen() {
    const { chat } = this;
    if (!chat || !document.hasFocus() || document.visibilityState !== "visible") return;
    const current = this._store.conversations.get(chat.jid);
    if (!current?.unread || this.element.dataset.state !== "ready") return;
    const count = this.window.messages.length;
    const index = lastSeen(count, (place) => this._boxAt(place), this._view());
    const seen = this.window.messages.slice(0, index + 1).findLast((one) => !this.isOwn(one));
    if (!seen || seen.id === this._sentDisplayed) return;
    this._sentDisplayed = seen.id;
    try {
      this._store.put(await this._api.displayed(chat, seen.id));
    } catch {
      this._sentDisplayed = "";
    }
  }

  _showJump() {
    const isAway = !this.window.atEnd || !this._follows;
    this._jump.hidden = !isAway;
    const count = this._newBelow;
    const text = count === 1 ? "1 new message" : count ? `${count} new messages` : "Newest messages";
    if (this._jump.textContent !== text) fill(this._jump, icon("down"), text);
  }

  _showDate() {
    const anchor = this._anchor;
    const row = /** @type {any} */ (anchor && this._row(anchor.id, true));
    const isAtHeading = row?.querySelector(":scope > .day") && (anchor?.offset ?? 0) > -20;
    this._date.hidden = !row?.message || isAtHeading;
    if (row?.message) this._date.textContent = dayName(row.message.time);
  }

  /** @param {boolean} isEmpty */
  _showEmpty(isEmpty) {
    if (isEmpty) this._showNote("There are no messages yet. Write the first one.");
    else if (this._note.firstChild) fill(this._note);
  }

  /**
   * @param {string} text
   * @param {...Node} others
   */
  _showNote(text, ...others) {
    fill(this._note, element("p", {}, text), ...others);
  }

  /** @param {"loading" | "ready" | "failed"} state */
  _setState(state) {
    this.element.dataset.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  /** @param {any} row the row that Tab reaches */
  _rove(row) {
    for (const old of this._list.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
    if (row) row.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    const row = /** @type {any} */ (event.target);
    if (!row.matches("li.row") || event.ctrlKey || event.metaKey || event.altKey) return;
    const { message } = row;
    const moves = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" };
    const next = row[/** @type {any} */ (moves)[event.key]];
    if (event.key in moves) {
      next?.focus({ preventScroll: true });
      next?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "End") {
      this.toEnd().then(() => this.focusRow());
    } else if (event.key === "Enter" && message && !message.retracted) {
      this._actions.menu(message, row);
    } else if (event.key === "Escape") {
      this.dispatchEvent(new Event("leave"));
    } else {
      return;
    }
    event.preventDefault();
  }
}

/** @param {Message} message */
const authorOf = (message) =>
  message.author ?? (message.type === "groupchat" ? message.from : message.from.split("/")[0]);
