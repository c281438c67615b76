// One conversation: its header, its messages, and the field to write in.

import { button, element, fill } from "../../shared/dom.js";
import { icon } from "../../shared/icons.js";
import { dayOf } from "../../shared/times.js";
import { MessageActions } from "../timeline/actions.js";
import { Timeline } from "../timeline/timeline.js";
import { Composer } from "./composer.js";
import { showForm } from "./dialogs.js";
import { Search } from "./search.js";

/** @typedef {import("../data/api.js").Conversation} Conversation */

export class ConversationView {
  /**
   * @param {import("../data/api.js").Api} api
   * @param {import("../data/store.js").Store} store
   * @param {import("../data/outbox.js").Outbox} outbox
   * @param {import("../data/drafts.js").Drafts} drafts
   * @param {import("./avatars.js").Avatars} avatars
   * @param {import("./pictures.js").Pictures} pictures
   * @param {{back: () => void, room: (chat: Conversation) => void,
   *   go: (jid: string, id?: string) => void}} commands
   */
  constructor(api, store, outbox, drafts, avatars, pictures, commands) {
    this._api = api;
    this._store = store;
    this._outbox = outbox;
    this._drafts = drafts;
    this._avatars = avatars;
    this._pictures = pictures;
    this._commands = commands;
    /** @type {Conversation | null} */
    this.chat = null;
    /** @type {RegExp | null} the marks of the hit that is opened next */
    this._marks = null;
    this._actions = this._makeActions();
    this.timeline = this._makeTimeline();
    this.composer = this._makeComposer();
    this.search = this._makeSearch();
    this._title = element("h1", { class: "title" });
    this._subtitle = element("p", { class: "subtitle" });
    this._face = element("span", { class: "face" });
    this._details = button(icon("info"), () => this._commands.room(this._current()), {
      class: "icon",
      title: "Members and settings of the room",
      "aria-label": "Members and settings of the room",
    });
    this._header = this._makeHeader();
    this._typingTimer = 0;
    this._typing = element("p", { class: "typing", "aria-hidden": "true" });
    this._nothing = element(
      "div",
      { class: "nothing" },
      element("p", {}, "Choose a conversation, or find somebody with Ctrl+K."),
    );
    this.element = element("section", { id: "conversation", "aria-label": "Conversation" });
    this.timeline.addEventListener("state", (event) => {
      this.element.dataset.state = /** @type {any} */ (event).detail;
    });
    this.timeline.addEventListener("leave", () => this.composer.focus());
    store.addEventListener("conversations", () => this._showHeader());
    store.addEventListener("presence", () => this._showHeader());
    store.addEventListener("failed", (event) => {
      const { peer, message } = /** @type {any} */ (event).detail;
      if (peer === this.chat?.jid) this.composer.say(`A message was not delivered: ${message}`);
    });
    store.addEventListener("left", (event) => {
      if (/** @type {any} */ (event).detail !== this.chat?.jid) return;
      this.composer.say("You are not a member of this room any more, so you cannot write here.");
    });
    store.addEventListener("typing", () => this._showTyping());
  }

  _makeActions() {
    return new MessageActions(this._api, {
      place: () => this.element,
      chat: () => this._current(),
      isOwn: (message) => this.timeline.isOwn(message),
      isMine: (by) => this.timeline.isMine(by),
      edit: (message) => this.composer.correct(message),
      answer: (message) => this.composer.answer(message, this.timeline.nameOf(message)),
      fail: (text) => this.composer.say(text),
    });
  }

  _makeTimeline() {
    /** @type {Pick<import("../timeline/rows.js").Row, "avatar" | "picture">} */
    const images = {
      avatar: (jid, name) => this._avatars.node(jid, name),
      picture: (file) => this._pictures.node(file),
    };
    return new Timeline(this._api, this._store, this._outbox, images, {
      react: (message, emoji) => this._actions.react(message, emoji),
      menu: (message, opener) => this._actions.open(message, opener),
      history: (message) => this._actions.history(message),
      retry: (pending) => this._outbox.retry(pending),
      drop: (pending) => this._outbox.remove(pending.id),
      jump: (id) => this.timeline.jump(id),
    });
  }

  _makeComposer() {
    return new Composer(this._drafts, {
      send: (text, answered) => this._send(text, answered),
      correct: async (message, text) => {
        await this._api.send(this._current(), { body: text, replaces: message.id });
      },
      lastOwn: () => this.timeline.lastOwn(),
      attach: (file, answered) => this._attach(file, answered),
      typing: (state) => {
        if (!this.chat) return;
        this._api.typing(this._current(), state).catch(() => {});
      },
    });
  }

  _makeSearch() {
    return new Search(this._api, this._store, {
      chat: () => this.chat,
      show: (jid, id, marks) => this._showHit(jid, id, marks),
      closed: () => {
        this.timeline.clearMarks();
        if (this.chat) this.composer.focus();
        else this._commands.back();
      },
    });
  }

  _makeHeader() {
    return element(
      "header",
      { class: "bar" },
      button(icon("back"), this._commands.back, {
        class: "icon back",
        "aria-label": "Back to the conversations",
      }),
      this._face,
      element("div", { class: "titles" }, this._title, this._subtitle),
      this._details,
      button(icon("calendar"), () => this._chooseDay(), {
        class: "icon",
        title: "Go to a date",
        "aria-label": "Go to a date",
      }),
      button(icon("search"), () => this.find(), {
        class: "icon",
        title: "Search (/)",
        "aria-label": "Search messages",
      }),
    );
  }

  /**
   * Show a conversation.
   *
   * @param {Conversation} chat
   * @param {string | null} around id of a message
   */
  async open(chat, around) {
    const isOther = chat.jid !== this.chat?.jid;
    this.chat = chat;
    this.element.dataset.jid = chat.jid;
    if (isOther) {
      const { timeline, composer, search } = this;
      // Parts that stay keep their layout.
      if (timeline.element.parentElement !== this.element) {
        fill(
          this.element,
          this._header,
          search.element,
          timeline.element,
          this._typing,
          composer.element,
        );
      }
      // The hits stay beside the conversation of the one that was chosen.
      if (!this._marks) search.element.hidden = true;
      // The field has a height only in the document.
      composer.switchTo(chat.jid);
    }
    this._showHeader();
    this._showTyping();
    const marks = this._marks;
    this._marks = null;
    await this.timeline.open(chat, { around, marks });
    if (!around && matchMedia("(hover: hover)").matches) this.composer.focus();
  }

  /** Show that no conversation is chosen. */
  close() {
    this.chat = null;
    this.timeline.chat = null;
    this._showNothing();
  }

  /**
   * Search: in the conversation that is shown, or in all of them.
   *
   * @param {boolean} [everywhere] without it as the user chose last
   */
  find(everywhere = false) {
    if (!this.chat) fill(this.element, this.search.element, this._nothing);
    this.search.open(everywhere);
  }

  _chooseDay() {
    const { timeline } = this;
    const day = element("input", {
      type: "date",
      name: "day",
      required: true,
      value: timeline.shownDay,
      max: dayOf(new Date().toISOString()),
    });
    const dialog = showForm("Go to a date", [element("label", {}, "Date", day)], "Show", async () => {
      // A message can have the focus only behind the dialog.
      dialog.addEventListener("close", () => timeline.goToDay(day.value));
    });
  }

  _showNothing() {
    delete this.element.dataset.jid;
    fill(this.element, this._nothing);
  }

  /** @returns {Conversation} */
  _current() {
    if (!this.chat) throw new Error("No conversation is shown.");
    return this._store.conversations.get(this.chat.jid) ?? this.chat;
  }

  /**
   * @param {string} text
   * @param {string | null} answered id of a message
   */
  _send(text, answered) {
    if (this._outbox.isFull) {
      this.composer.say("Too many messages wait to be sent. Send or delete them first.");
      return;
    }
    this._outbox.add(this._current(), text, { answered });
    this.timeline.follow();
  }

  /**
   * @param {File} file
   * @param {string | null} answered id of a message
   */
  async _attach(file, answered) {
    const chat = this._current();
    const uploaded = await this._api.upload(file);
    this._outbox.add(chat, uploaded.url, { file: uploaded, answered });
    this.timeline.follow();
  }

  /**
   * @param {string} jid
   * @param {string} id
   * @param {RegExp | null} marks
   */
  _showHit(jid, id, marks) {
    this._marks = marks;
    const panel = this.search.element.getBoundingClientRect();
    const messages = this.timeline.element.getBoundingClientRect();
    // Where there is no room for both, the messages are what the user wants to see.
    if (!messages.width || messages.right > panel.left + 1) this.search.element.hidden = true;
    this._commands.go(jid, id);
  }

  _showHeader() {
    if (!this.chat) return;
    const chat = this._current();
    const availability = this._store.availability(chat.jid);
    fill(this._title, element("bdi", {}, chat.name));
    const isRoom = chat.type === "room";
    fill(
      this._subtitle,
      element("bdi", {}, isRoom ? "Room" : chat.jid),
      availability && ` · ${availability}`,
    );
    if (this._face.dataset.jid !== chat.jid || this._face.dataset.name !== chat.name) {
      fill(this._face, this._avatars.node(chat.jid, chat.name));
      Object.assign(this._face.dataset, { jid: chat.jid, name: chat.name });
    }
    this._details.hidden = !isRoom;
  }

  _showTyping() {
    if (!this.chat) return;
    clearTimeout(this._typingTimer);
    const now = Date.now();
    const typists = [...(this._store.typists.get(this.chat.jid) ?? [])].filter(([, end]) => end > now);
    const names = typists.map(([by]) => this.timeline.nameBy(by));
    const text =
      names.length > 2 ? "Several people are typing…" : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…`;
    fill(this._typing, names.length > 0 && element("bdi", {}, text));
    if (names.length) this._typingTimer = setTimeout(() => this._showTyping(), 3000);
  }
}
