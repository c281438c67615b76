// The requests of the page, by their purpose, and the values that the page works with.

import { ApiError } from "./session.js";

/**
 * @typedef {{by: string, state: string, time: string}} Receipt
 * @typedef {{id: string, time: string, from: string, to: string, peer: string, resource: string,
 *   direction: string, type: string, kind: string, message_id: string | null,
 *   subject: string | null, body: string | null, nick: string | null,
 *   edited: {time: string, id: string} | null,
 *   retracted: {time: string, id: string, by: string, reason: string | null} | null,
 *   reactions: Record<string, string[]>, receipts: Receipt[]}} Message
 * @typedef {{jid: string, type: "direct" | "room", name: string, unread: number,
 *   displayed: string | null, last: Message | null}} Conversation
 * @typedef {{messages: Message[], atStart: boolean, atEnd: boolean}} Page
 */

export const PAGE = 50;

export class Api {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
  }

  /** The path of the user's own archive. */
  get _archive() {
    return `archives/${encodeURIComponent(this.session.jid)}`;
  }

  /**
   * Return conversations, the one with the newest message first, and the place of the next page.
   *
   * @param {string | null} [before]
   * @returns {Promise<{conversations: Conversation[], next: string | null}>}
   */
  async conversations(before = null) {
    const query = { before, limit: PAGE, view: "folded", xml: false };
    const answer = await this._get(`${this._archive}/conversations`, query);
    return { conversations: answer.conversations.map(conversation), next: answer.next };
  }

  /**
   * Return a page of messages, in their order: the newest, or those before, after or around an id.
   *
   * @param {Conversation} chat
   * @param {{before?: string, after?: string, around?: string, limit?: number}} [place]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Page>}
   */
  async messages(chat, { before, after, around, limit = PAGE } = {}, signal) {
    if (around) {
      const half = Math.ceil(limit / 2);
      const [older, [middle], newer] = await Promise.all([
        this.messages(chat, { before: around, limit: half }, signal),
        this._byId(around, signal),
        this.messages(chat, { after: around, limit: half }, signal),
      ]);
      const messages = [...older.messages, ...(middle ? [middle] : []), ...newer.messages];
      return { messages, atStart: older.atStart, atEnd: newer.atEnd };
    }
    const query = { with: chat.jid, view: "folded", xml: false, limit, before, after };
    const order = after ? "asc" : "desc";
    const answer = await this._get(`${this._archive}/messages`, { ...query, order }, signal);
    const messages = after ? answer.messages : answer.messages.reverse();
    return {
      messages,
      atStart: after ? false : answer.complete,
      atEnd: after ? answer.complete : !before,
    };
  }

  /**
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<Message[]>}
   */
  async _byId(id, signal) {
    try {
      const path = `${this._archive}/messages/${encodeURIComponent(id)}`;
      return [await this._get(path, { view: "folded", xml: false }, signal)];
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  }

  /**
   * Return messages that have all words of a search, the newest first.
   *
   * @param {Conversation | null} chat null: in all conversations
   * @param {string} search
   * @param {string | null} before
   * @param {AbortSignal} signal
   * @returns {Promise<{messages: Message[], next: string | null}>}
   */
  async search(chat, search, before, signal) {
    const query = { with: chat?.jid, search, order: "desc", limit: 30, before };
    return this._get(
      `${this._archive}/messages`,
      { ...query, view: "folded", xml: false },
      signal,
    );
  }

  /**
   * Return the stored message and its corrections, in their order.
   *
   * @param {Message} message
   * @returns {Promise<{time: string, body: string | null}[]>}
   */
  async history(message) {
    const path = `${this._archive}/messages`;
    const [original, later] = await Promise.all([
      this._get(`${path}/${encodeURIComponent(message.id)}`, {}),
      this._get(path, { with: message.peer, after: message.id, kind: "annotation", limit: 250 }),
    ]);
    const id = original.message_id;
    const corrections = later.messages.filter(
      (/** @type {any} */ annotation) =>
        annotation.from === original.from && replacedId(annotation.xml) === id,
    );
    return [original, ...corrections];
  }

  /**
   * Send something to a conversation.
   *
   * @param {Conversation} chat
   * @param {Record<string, any>} fields
   * @returns {Promise<any>}
   */
  send(chat, fields) {
    const type = chat.type === "room" ? "groupchat" : "chat";
    const body = { ...fields, to: chat.jid, type };
    return this.session.request("POST", `${this._archive}/messages`, { body });
  }

  /**
   * Say that the user has seen a message and all before it.
   *
   * @param {Conversation} chat
   * @param {string} id
   */
  displayed(chat, id) {
    return this.send(chat, { displayed: id });
  }

  /**
   * Return contacts, presences and the place behind which events are new.
   *
   * @returns {Promise<{contacts: any[] | null, presences: any[], cursor: string}>}
   */
  snapshot() {
    return this._get(`${this._archive}/snapshot`, { limit: 1, xml: false });
  }

  /**
   * Return if events behind a place are known. Throws ApiError with the status 410 if not.
   *
   * @param {string} after
   */
  async isKnown(after) {
    await this._get(`${this._archive}/events`, { after, limit: 1, xml: false });
  }

  /**
   * Return the address of the live stream of events.
   *
   * @param {string} after
   */
  stream(after) {
    return this.session.streamUrl(`${this._archive}/events/stream`, { after, xml: false });
  }

  /** Whether the server takes files. */
  get hasUploads() {
    return false;
  }

  /** Whether the server keeps names and pictures. */
  get hasProfiles() {
    return false;
  }

  /**
   * @param {string} search
   * @returns {Promise<{users: {jid: string, name: string | null}[]}>}
   */
  async users(search) {
    return { users: [] };
  }

  /**
   * @param {string} jid
   * @returns {Promise<Blob | null>}
   */
  async avatar(jid) {
    return null;
  }

  /**
   * @param {Conversation} chat
   * @param {string} state
   */
  async typing(chat, state) {}

  /**
   * @param {string} path
   * @param {Record<string, any>} query
   * @param {AbortSignal} [signal]
   */
  _get(path, query, signal) {
    return this.session.request("GET", path, { query, signal });
  }
}

/**
 * Return a message as the folded view has it. A new one has nothing that refers to it.
 *
 * @param {any} message
 * @returns {Message}
 */
export function folded(message) {
  return { edited: null, retracted: null, reactions: {}, receipts: [], ...message };
}

/**
 * @param {any} row
 * @returns {Conversation}
 */
export function conversation(row) {
  const jid = row.jid ?? row.peer;
  return {
    jid,
    type: row.type ?? (row.last?.type === "groupchat" ? "room" : "direct"),
    name: row.name ?? localPart(jid),
    unread: row.unread,
    displayed: row.displayed ?? null,
    last: row.last ? folded(row.last) : null,
  };
}

/** @param {string} jid */
export const localPart = (jid) => jid.slice(0, Math.max(jid.indexOf("@"), 0)) || jid;

/**
 * Return the id of the message that a stanza corrects (XEP-0308), null if it corrects none.
 *
 * @param {string} xml
 */
export function replacedId(xml) {
  const tag = /<replace\b[^>]*\burn:xmpp:message-correct:0\b[^>]*>/.exec(xml)?.[0];
  return tag ? (/\bid=(?:'([^']*)'|"([^"]*)")/.exec(tag)?.slice(1).find(Boolean) ?? null) : null;
}

/** @returns {string} an id for a message of this page */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
