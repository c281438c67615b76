// What was written and not sent, by conversation. It is in the storage of the tab, so it is there
// still when the page was loaded again, or when the user had to sign in anew.

const KEY = "muniment-drafts";

/** Conversations with a draft at most; then the oldest draft leaves. */
const MAX = 50;

export class Drafts {
  /** @param {string} me bare JID of the user; the drafts of another user are forgotten */
  constructor(me) {
    this._me = me;
    /** @type {Map<string, string>} texts by conversation, the oldest first */
    this._texts = new Map(load(me));
  }

  /** @param {string} jid of a conversation */
  of(jid) {
    return this._texts.get(jid) ?? "";
  }

  /**
   * @param {string} jid
   * @param {string} text "": there is no draft
   */
  keep(jid, text) {
    if (text === this.of(jid)) return;
    this._texts.delete(jid);
    if (text) this._texts.set(jid, text);
    const [oldest] = this._texts.keys();
    if (this._texts.size > MAX && oldest !== undefined) this._texts.delete(oldest);
    this._store();
  }

  /** Forget them all. */
  clear() {
    this._texts.clear();
    this._store();
  }

  _store() {
    try {
      if (!this._texts.size) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, JSON.stringify({ jid: this._me, texts: [...this._texts] }));
    } catch {
      // The storage is full: the drafts are on this page alone.
    }
  }
}

/**
 * @param {string} me
 * @returns {[string, string][]}
 */
function load(me) {
  try {
    const stored = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (stored?.jid === me) return stored.texts;
    sessionStorage.removeItem(KEY);
    return [];
  } catch {
    return [];
  }
}
