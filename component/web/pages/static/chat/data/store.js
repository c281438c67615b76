// What the page knows of the account: conversations, contacts, and who is available.

import { conversation, folded, localPart } from "./api.js";

/** @typedef {import("./api.js").Conversation} Conversation */

const MAX = 2000;

/**
 * Emits "conversations" after any change of the list, "message" with a new message, "changed" with a
 * message as it is now, "stale" with the JID of a conversation that has to be read again, "failed",
 * "left" with the JID of a room of which the user is no member any more, "presence" and "typing" with a
 * JID.
 */
export class Store extends EventTarget {
  /** @param {string} me bare JID of the user */
  constructor(me) {
    super();
    this.me = me;
    /** @type {Map<string, Conversation>} */
    this.conversations = new Map();
    /** @type {Map<string, string>} names of contacts */
    this.names = new Map();
    /** @type {Map<string, Map<string, any>>} presences by bare JID and by full JID */
    this.presences = new Map();
    /** @type {Map<string, Map<string, number>>} who types in a conversation, and until when */
    this.typists = new Map();
    /** @type {string | null} where the older conversations begin; undefined: not read yet */
    this.next = null;
    this.isLoaded = false;
  }

  /** @param {{contacts: any[] | null, presences: any[]}} snapshot */
  takeSnapshot({ contacts, presences }) {
    this.presences.clear();
    for (const contact of contacts ?? []) this._takeContact(contact);
    for (const presence of presences) this._takePresence(presence);
  }

  /** @param {{conversations: Conversation[], next: string | null}} page */
  takePage({ conversations, next }) {
    for (const chat of conversations) this._put(chat);
    this.next = next;
    this.isLoaded = true;
    this._emit("conversations", null);
  }

  /** Return the conversations, the one with the newest message first. */
  sorted() {
    const time = (/** @type {Conversation} */ chat) => chat.last?.time ?? "";
    return [...this.conversations.values()].sort((a, b) => (time(a) < time(b) ? 1 : -1));
  }

  /**
   * Return a conversation, a new one if there is none with this address.
   *
   * @param {string} jid
   * @param {"direct" | "room"} [type]
   * @returns {Conversation}
   */
  chat(jid, type = "direct") {
    return (
      this.conversations.get(jid) ??
      conversation({ jid, type, name: this.names.get(jid), unread: 0, displayed: null, last: null })
    );
  }

  /** @param {string} jid */
  nameOf(jid) {
    return this.conversations.get(jid)?.name || this.names.get(jid) || localPart(jid);
  }

  /** Return the number of unread messages in all conversations. */
  get unread() {
    let sum = 0;
    for (const chat of this.conversations.values()) sum += chat.unread;
    return sum;
  }

  /**
   * Return "online", "away" or "" of a contact.
   *
   * @param {string} jid
   */
  availability(jid) {
    const all = [...(this.presences.get(jid)?.values() ?? [])];
    if (!all.length) return "";
    return all.some(({ show }) => !show || show === "chat") ? "online" : "away";
  }

  /**
   * Take a conversation into the list, as after a message or after a room was made.
   *
   * @param {any} row
   */
  put(row) {
    this._put(conversation({ ...this._old(row), ...row }));
    this._emit("conversations", null);
  }

  /** @param {string} jid */
  remove(jid) {
    this.conversations.delete(jid);
    this._emit("conversations", null);
  }

  /**
   * Learn the name of somebody who is not a contact.
   *
   * @param {string} jid
   * @param {string} name
   */
  learn(jid, name) {
    if (this.names.has(jid) || !name) return;
    this._takeContact({ jid, name });
    this._emit("conversations", null);
  }

  /** @param {any} event of the server */
  take(event) {
    const { jid, message, target } = event;
    if (event.contact) this._takeContact(event.contact);
    if (event.presence) this._takePresence(event.presence);
    if (event.typing) this._takeTyping(jid, event.typing);
    if (event.rooms) this._takeRooms(event.rooms);
    if (target) this._emit("changed", { jid, message: folded(target) });
    if (event.type === "message" && message) {
      this._endTyping(jid, message.from);
      if (message.kind === "message") this._emit("message", { jid, message: folded(message) });
    }
    if (event.failed?.type === "message") this._emit("failed", event.failed);
    // Only the conversation itself says whether it is a room, and which name it has.
    if (event.conversation && this.conversations.has(jid)) this.put(event.conversation);
    else if (event.conversation || this._isStale(event)) this._emit("stale", jid);
    else if (event.contact || event.rooms) this._emit("conversations", null);
  }

  /**
   * Return whether the state of a conversation is not the one in the list any more.
   *
   * @param {any} event
   */
  _isStale({ jid, type, message, target }) {
    const last = this.conversations.get(jid)?.last;
    if (type === "displayed" || type === "expired") return true;
    return type === "message" && (message?.kind === "message" || target?.id === last?.id);
  }

  /** @param {{jid: string, name: string}[]} rooms of the user now */
  _takeRooms(rooms) {
    const jids = new Set(rooms.map(({ jid }) => jid));
    for (const { jid, type } of [...this.conversations.values()]) {
      if (type !== "room" || jids.has(jid)) continue;
      this.conversations.delete(jid);
      this._emit("left", jid);
    }
    for (const { jid, name } of rooms) {
      const chat = this.conversations.get(jid);
      if (chat) this.conversations.set(jid, { ...chat, name, type: "room" });
      else this._emit("stale", jid);
    }
  }

  /** @param {any} row */
  _old(row) {
    return this.conversations.get(row.jid ?? row.peer);
  }

  /** @param {Conversation} chat */
  _put(chat) {
    const name = chat.type === "direct" && this.names.get(chat.jid);
    this.conversations.set(chat.jid, name ? { ...chat, name } : chat);
    if (this.conversations.size > MAX) {
      const oldest = this.sorted().at(-1);
      if (oldest) this.conversations.delete(oldest.jid);
    }
  }

  /** @param {any} contact */
  _takeContact(contact) {
    if (contact.name) this.names.set(contact.jid, contact.name);
    const chat = this.conversations.get(contact.jid);
    if (chat?.type === "direct" && contact.name) this.conversations.set(chat.jid, { ...chat, name: contact.name });
  }

  /** @param {any} presence */
  _takePresence(presence) {
    const jid = presence.jid.split("/")[0];
    const resources = this.presences.get(jid) ?? new Map();
    if (presence.available) resources.set(presence.jid, presence);
    else resources.delete(presence.jid);
    this.presences.set(jid, resources);
    this._emit("presence", jid);
  }

  /**
   * @param {string} jid of the conversation
   * @param {{author: string | null, nick: string | null, state: string, seconds: number}} typing
   */
  _takeTyping(jid, { author, nick, state, seconds }) {
    if (author === this.me) return;
    const by = author ?? `${jid}/${nick}`;
    const typists = this.typists.get(jid) ?? new Map();
    if (state === "composing") typists.set(by, Date.now() + seconds * 1000);
    else typists.delete(by);
    this.typists.set(jid, typists);
    this._emit("typing", jid);
  }

  /**
   * @param {string} jid
   * @param {string} from the author of a message
   */
  _endTyping(jid, from) {
    const typists = this.typists.get(jid);
    if (!typists) return;
    const nick = from.split("/")[1];
    for (const by of [...typists.keys()]) {
      const isAuthor = by === from || by === from.split("/")[0] || by.split("@")[0] === nick;
      if (isAuthor) typists.delete(by);
    }
    this._emit("typing", jid);
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
