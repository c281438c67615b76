// The requests of the page, by their purpose, and the values that the page works with.

/**
 * @typedef {{by: string, state: string, time: string}} Receipt
 * @typedef {{id: string, time: string, from: string, to: string, peer: string, resource: string,
 *   direction: string, type: string, kind: string, message_id: string | null,
 *   subject: string | null, body: string | null, nick: string | null, author?: string | null,
 *   file: {url: string, name: string | null, type: string | null, size: number | null} | null,
 *   reply_to: {id: string | null, from: string | null, body: string | null} | null,
 *   edited: {time: string, id: string} | null,
 *   retracted: {time: string, id: string, by: string, reason: string | null} | null,
 *   reactions: Record<string, string[]>, receipts: Receipt[]}} Message
 * @typedef {{jid: string, type: "direct" | "room", name: string, avatar: string | null, unread: number,
 *   displayed: string | null, last: Message | null}} Conversation
 * @typedef {{from: string, to: string | null}} Gap a time in which messages may be missing; null: now
 * @typedef {{messages: Message[], atStart: boolean, atEnd: boolean, gaps: Gap[]}} Page
 * @typedef {{jid: string, type: "direct" | "room", name: string, message: Message, before: Message[],
 *   after: Message[]}} Hit a message that a search has found, with its conversation and context
 */

export const PAGE = 50;

export class Api {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
  }

  /**
   * Return conversations, the one with the newest message first, and the place of the next page.
   *
   * @param {string | null} [before]
   * @returns {Promise<{conversations: Conversation[], next: string | null}>}
   */
  async conversations(before = null) {
    const answer = await this._get("chat/conversations", { before, limit: PAGE });
    return { conversations: answer.conversations.map(conversation), next: answer.next };
  }

  /**
   * Return one conversation as it is now.
   *
   * @param {string} jid
   * @returns {Promise<Conversation>}
   */
  async conversation(jid) {
    return conversation(await this._get(chatPath(jid), {}));
  }

  /**
   * Return a page of messages, in their order: the newest, or those before, after or around an id,
   * or around the first one of a time or later.
   *
   * @param {Conversation} chat
   * @param {{before?: string, after?: string, around?: string, at?: string, limit?: number}} [place]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Page>}
   */
  async messages(chat, place = {}, signal) {
    const query = { limit: PAGE, ...place };
    const answer = await this._get(`${chatPath(chat.jid)}/messages`, query, signal);
    return {
      messages: answer.messages.map(folded),
      atStart: answer.previous === null,
      atEnd: answer.next === null,
      gaps: answer.gaps,
    };
  }

  /**
   * Return messages that have all words of a search, the newest first.
   *
   * @param {Conversation | null} chat null: in all conversations of the user
   * @param {string} search
   * @param {string | null} before
   * @param {AbortSignal} signal
   * @returns {Promise<{hits: Hit[], next: string | null}>}
   */
  async search(chat, search, before, signal) {
    const query = { search, before, limit: HITS };
    if (!chat) {
      const answer = await this._get("chat/messages", query, signal);
      return { hits: answer.hits, next: answer.next };
    }
    const answer = await this._get(`${chatPath(chat.jid)}/messages`, query, signal);
    const { jid, type, name } = chat;
    const hits = answer.messages.map((/** @type {any} */ message) => {
      return { jid, type, name, message: folded(message), before: [], after: [] };
    });
    return { hits: hits.reverse(), next: answer.previous };
  }

  /**
   * Return the stored message and its corrections, in their order, and whether these are all.
   *
   * @param {Conversation} chat
   * @param {Message} message
   * @returns {Promise<{versions: {time: string, body: string | null}[], isWhole: boolean}>}
   */
  async history(chat, message) {
    const isRoom = chat.type === "room";
    const path = `${archivePath(isRoom ? chat.jid : this.session.jid)}/messages`;
    const original = await this._get(`${path}/${encodeURIComponent(message.id)}`, {});
    const versions = [original];
    // Reactions are annotations too, so a page may have no correction.
    let after = message.id;
    for (let pages = 0; after && pages < HISTORY_PAGES; pages += 1) {
      const later = { with: isRoom ? null : chat.jid, after, kind: "annotation", limit: 250 };
      const { messages, next } = await this._get(path, later);
      versions.push(
        ...messages.filter(
          (/** @type {any} */ annotation) =>
            bareOrOccupant(annotation) === bareOrOccupant(original) &&
            replacedId(annotation.xml) === original.message_id,
        ),
      );
      after = next;
    }
    return { versions, isWhole: !after };
  }

  /**
   * Send something to a conversation.
   *
   * @param {{jid: string}} chat
   * @param {Record<string, any>} body
   * @returns {Promise<any>}
   */
  send(chat, body) {
    return this.session.request("POST", `${chatPath(chat.jid)}/messages`, { body });
  }

  /**
   * Say that the user has seen a message and all before it; return the conversation as it is then.
   *
   * @param {Conversation} chat
   * @param {string} id
   * @returns {Promise<Conversation>}
   */
  async displayed(chat, id) {
    const path = `${chatPath(chat.jid)}/displayed`;
    return conversation(await this.session.request("PUT", path, { body: { id } }));
  }

  /**
   * @param {Conversation} chat
   * @param {string} state
   */
  async typing(chat, state) {
    await this.session.request("POST", `${chatPath(chat.jid)}/typing`, { body: { state } });
  }

  /**
   * Return contacts and presences.
   *
   * @returns {Promise<{contacts: any[] | null, presences: any[]}>}
   */
  snapshot() {
    return this._get(`${archivePath(this.session.jid)}/snapshot`, { limit: 1, xml: false });
  }

  /** @param {"away" | null} show null: available */
  presence(show) {
    const path = `${archivePath(this.session.jid)}/presence`;
    return this.session.request("PUT", path, { body: { show } });
  }

  /**
   * Return the place behind which events are new, or if events behind `after` are known. Throws
   * ApiError with the status 410 if not.
   *
   * @param {string} [after]
   * @returns {Promise<string>}
   */
  async place(after) {
    const { cursor } = await this._get("chat/events", { after, limit: after && 1 });
    return cursor;
  }

  /**
   * Return the address of the live stream of events.
   *
   * @param {string} after
   */
  stream(after) {
    return this.session.streamUrl("chat/events/stream", { after });
  }

  /**
   * Return other users whose name or address has a text of three characters or more.
   *
   * @param {string} search
   * @returns {Promise<{users: {jid: string, name: string | null}[]}>}
   */
  users(search) {
    return this._get("chat/users", { search });
  }

  /**
   * @param {string} jid
   * @returns {Promise<{jid: string, name: string, avatar: string | null}>}
   */
  user(jid) {
    return this._get(`chat/users/${encodeURIComponent(jid)}`, {});
  }

  /**
   * Return the picture of a user who has one.
   *
   * @param {string} jid
   * @returns {Promise<Blob>}
   */
  avatar(jid) {
    const path = `chat/users/${encodeURIComponent(jid)}/avatar`;
    return this.session.request("GET", path, { type: "blob" });
  }

  /** @returns {Promise<{name: string, avatar: string | null}>} */
  profile() {
    return this._get("chat/profile", {});
  }

  /** @param {string} name */
  setName(name) {
    return this.session.request("PATCH", "chat/profile", { body: { name } });
  }

  /** @param {Blob | null} image */
  setAvatar(image) {
    const path = "chat/profile/avatar";
    if (image) return this.session.request("PUT", path, { raw: image });
    return this.session.request("DELETE", path);
  }

  /**
   * Put a file on the upload service of the server (XEP-0363), and return what a message says of it.
   *
   * @param {File} file
   */
  async upload(file) {
    const type = file.type || "application/octet-stream";
    const body = { name: file.name, size: file.size, type };
    const slot = await this.session.request("POST", "chat/uploads", { body });
    const headers = { ...slot.headers, "Content-Type": type };
    const answer = await fetch(slot.put, { method: "PUT", headers, body: file, credentials: "omit" });
    if (!answer.ok) throw new Error(`The upload service refused the file (error ${answer.status}).`);
    return { url: slot.get, name: file.name, type, size: file.size };
  }

  /**
   * @param {string} name
   * @param {string[]} members
   */
  createRoom(name, members) {
    return this.session.request("POST", "chat/rooms", { body: { name, members } });
  }

  /** @param {string} jid */
  room(jid) {
    return this._get(roomPath(jid), {});
  }

  /**
   * @param {string} jid
   * @param {string} name
   */
  renameRoom(jid, name) {
    return this.session.request("PATCH", roomPath(jid), { body: { name } });
  }

  /**
   * @param {string} jid
   * @param {string} member
   */
  addMember(jid, member) {
    const path = `${roomPath(jid)}/members/${encodeURIComponent(member)}`;
    return this.session.request("PUT", path, { body: { affiliation: "member" } });
  }

  /**
   * @param {string} jid
   * @param {string} member
   */
  removeMember(jid, member) {
    const path = `${roomPath(jid)}/members/${encodeURIComponent(member)}`;
    return this.session.request("DELETE", path);
  }

  /**
   * Return a token by which somebody becomes a member.
   *
   * @param {string} jid
   * @returns {Promise<{token: string, expires: string}>}
   */
  inviteToRoom(jid) {
    return this.session.request("POST", `${roomPath(jid)}/invitations`, { body: {} });
  }

  /** @param {string} token */
  joinRoom(token) {
    return this.session.request("POST", "chat/rooms/join", { body: { token } });
  }

  /**
   * @param {string} path
   * @param {Record<string, any>} query
   * @param {AbortSignal} [signal]
   */
  _get(path, query, signal) {
    return this.session.request("GET", path, { query, signal });
  }
}

const HITS = 30;

/** Pages of later corrections and reactions in which the history of a message is looked for. */
const HISTORY_PAGES = 8;

/** @param {string} jid */
const chatPath = (jid) => `chat/conversations/${encodeURIComponent(jid)}`;

/** @param {string} jid */
const roomPath = (jid) => `chat/rooms/${encodeURIComponent(jid)}`;

/** @param {string} owner */
const archivePath = (owner) => `archives/${encodeURIComponent(owner)}`;

/** @param {Message} message */
const bareOrOccupant = ({ type, from }) => (type === "groupchat" ? from : from.split("/")[0]);

/**
 * Return a message as the folded view has it. A new one has nothing that refers to it.
 *
 * @param {any} message
 * @returns {Message}
 */
export function folded(message) {
  return { reply_to: null, edited: null, retracted: null, reactions: {}, receipts: [], ...message };
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
    avatar: row.avatar ?? null,
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
