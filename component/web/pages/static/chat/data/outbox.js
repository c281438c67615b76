// Messages on their way. Each keeps its id, so a repeated request sends nothing twice, also after the
// page was loaded again.

import { newId } from "./api.js";
import { ApiError } from "./session.js";

/** @typedef {{id: string, jid: string, type: "direct" | "room", body: string, file: any, time: string,
 *   answered: string | null, state: "sending" | "failed" | "sent", error: string}} Pending */

const KEY = "muniment-outbox";
const MAX = 50;
const ATTEMPTS = 5;
const FIRST_DELAY = 1000;

/**
 * Emits "change" with the JID of a conversation.
 *
 * A message that was sent stays here until its event has come, because only the events are in the
 * order of the archive.
 */
export class Outbox extends EventTarget {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    this._api = api;
    this._me = api.session.jid;
    /** @type {Pending[]} */
    this._items = load(this._me);
    /** Conversations whose first message is being sent. */
    this._busy = new Set();
  }

  /** Send what an earlier page could not. */
  resume() {
    for (const jid of new Set(this._items.map((item) => item.jid))) this._work(jid);
  }

  /** @param {string} jid */
  of(jid) {
    return this._items.filter((item) => item.jid === jid);
  }

  get isFull() {
    return this._items.filter((item) => item.state !== "sent").length >= MAX;
  }

  /**
   * @param {import("./api.js").Conversation} chat
   * @param {string} body
   * @param {{file?: object | null, answered?: string | null}} [others] file: what the server has in the
   *   place of a text; answered: id of the message that this one answers
   */
  add({ jid, type }, body, { file = null, answered = null } = {}) {
    const time = new Date().toISOString();
    this._dropOld();
    this._items.push({ id: newId(), jid, type, body, file, answered, time, state: "sending", error: "" });
    this._changed(jid);
    this._work(jid);
  }

  /** Drop messages that were sent, and of which no event came, because they were not archived. */
  _dropOld() {
    const sent = this._items.filter((item) => item.state === "sent");
    const dropped = new Set(sent.slice(0, -MAX));
    this._items = this._items.filter((item) => !dropped.has(item));
  }

  /** @param {Pending} item */
  retry(item) {
    item.state = "sending";
    this._changed(item.jid);
    this._work(item.jid);
  }

  /**
   * Remove a message that was sent, or that the user has given up, and return whether it was here.
   *
   * @param {string | null} id
   */
  remove(id) {
    const item = this._items.find((item) => item.id === id);
    if (!item) return false;
    this._items = this._items.filter((other) => other !== item);
    this._changed(item.jid);
    return true;
  }

  /** Forget everything, because the user signs out. */
  clear() {
    this._items = [];
    sessionStorage.removeItem(KEY);
  }

  /**
   * Send the messages of a conversation, one after the other.
   *
   * @param {string} jid
   */
  async _work(jid) {
    if (this._busy.has(jid)) return;
    this._busy.add(jid);
    try {
      for (;;) {
        const item = this.of(jid).find((item) => item.state === "sending");
        if (!item || !(await this._send(item))) return;
      }
    } finally {
      this._busy.delete(jid);
    }
  }

  /**
   * Send a message, and return whether the next one can be sent.
   *
   * @param {Pending} item
   */
  async _send(item) {
    for (let attempt = 1; ; attempt++) {
      try {
        const { id, file, body, answered } = item;
        const fields = { ...(file ? { id, file } : { id, body }), ...(answered && { reply_to: answered }) };
        await this._api.send(item, fields);
        item.state = "sent";
        this._changed(item.jid);
        return true;
      } catch (error) {
        // The next page sends it, if the same user signs in again.
        if (error instanceof ApiError && error.status === 401) return false;
        const isTemporary = error instanceof ApiError && error.isTemporary;
        if (!isTemporary || attempt === ATTEMPTS) {
          item.state = "failed";
          item.error = /** @type {Error} */ (error).message;
          this._changed(item.jid);
          return true;
        }
        await new Promise((resolve) => setTimeout(resolve, FIRST_DELAY * 2 ** (attempt - 1)));
      }
      // Its event may have come meanwhile.
      if (!this._items.includes(item)) return true;
    }
  }

  /** @param {string} jid */
  _changed(jid) {
    if (!this._items.length) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify({ jid: this._me, items: this._items }));
    this.dispatchEvent(new CustomEvent("change", { detail: jid }));
  }
}

/**
 * @param {string} jid of the user
 * @returns {Pending[]}
 */
function load(jid) {
  try {
    const stored = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (stored?.jid !== jid) {
      sessionStorage.removeItem(KEY);
      return [];
    }
    return stored.items.filter((/** @type {Pending} */ item) => item.state !== "sent");
  } catch {
    return [];
  }
}
