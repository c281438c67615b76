// What the page knows of the account: conversations, contacts, and who is available.

import { conversation, folded, localPart } from "./api.js";

/** @typedef {import("./api.js").Conversation} Conversation */

const MAX = 2000;

/**
 * Emits "conversations" after any change of the list, "message" with a new message, "changed" with a
 * message as it is now, "presence" with a bare JID, and "typing" with a conversation.
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
    return this.names.get(jid) || this.conversations.get(jid)?.name || localPart(jid);
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
   * Count a conversation as read.
   *
   * @param {string} jid
   * @param {string} id of the last message that the user has seen
   */
  setDisplayed(jid, id) {
    const chat = this.conversations.get(jid);
    if (!chat) return;
    this.conversations.set(jid, { ...chat, displayed: id, unread: 0 });
    this._emit("conversations", null);
  }

  /** @param {any} event of the server */
  take(event) {
    if (event.contact) this._takeContact(event.contact);
    if (event.presence) this._takePresence(event.presence);
    if (event.typing) this._takeTyping(event.typing);
    if (event.target) this._emit("changed", folded(event.target));
    if (event.type === "message" && event.message) {
      const { kind, peer, from } = event.message;
      this._endTyping(peer, from);
      if (kind === "message") this._emit("message", folded(event.message));
    }
    if (event.failed?.type === "message") this._emit("failed", event.failed);
    if (event.conversation) this.put(event.conversation);
    else if (event.contact) this._emit("conversations", null);
  }

  /** @param {any} row */
  _old(row) {
    return this.conversations.get(row.jid ?? row.peer);
  }

  /** @param {Conversation} chat */
  _put(chat) {
    const name = this.names.get(chat.jid);
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
    if (chat && contact.name) this.conversations.set(chat.jid, { ...chat, name: contact.name });
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

  /** @param {{conversation: string, from: string, state: string}} typing */
  _takeTyping({ conversation, from, state }) {
    if (state !== "composing") {
      this._endTyping(conversation, from);
      return;
    }
    const typists = this.typists.get(conversation) ?? new Map();
    typists.set(from, Date.now() + 15_000);
    this.typists.set(conversation, typists);
    this._emit("typing", conversation);
  }

  /**
   * @param {string} jid
   * @param {string} from
   */
  _endTyping(jid, from) {
    const typists = this.typists.get(jid);
    if (!typists) return;
    for (const typist of [from, from.split("/")[0]]) typists.delete(typist);
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
