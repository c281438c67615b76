// Pictures of people and rooms. Without one there are the initials, on a colour of the address.

import { element, fill } from "../../shared/dom.js";
import { Turns } from "../../shared/turns.js";
import { ApiError } from "../data/session.js";

const MAX = 200;
const AT_ONCE = 3;
const COLOURS = 12;

export class Avatars {
  /**
   * @param {import("../data/api.js").Api} api
   * @param {import("../data/store.js").Store} store learns the names of people
   */
  constructor(api, store) {
    this._api = api;
    this._store = store;
    this._turns = new Turns(AT_ONCE);
    this._isOff = false;
    /** @type {Map<string, Promise<string | null>>} addresses of pictures by JID */
    this._pictures = new Map();
  }

  /**
   * Return the picture of somebody; it is for the eyes only, because the name stands beside it.
   *
   * @param {string} jid bare JID, or the address of an occupant
   * @param {string} name
   */
  node(jid, name) {
    const node = element(
      "span",
      { class: "avatar", data: { colour: colourOf(jid) }, "aria-hidden": "true" },
      initials(name),
    );
    this._picture(jid).then((url) => url && fill(node, element("img", { src: url, alt: "" })));
    return node;
  }

  /** @param {string} jid whose picture has changed */
  forget(jid) {
    this._pictures.delete(jid);
  }

  /** @param {string} jid */
  _picture(jid) {
    const known = this._pictures.get(jid);
    if (known) return known;
    const picture = this._turns.take(() => this._read(jid)).catch(() => null);
    this._pictures.set(jid, picture);
    if (this._pictures.size > MAX) {
      const [oldest, old] = this._pictures.entries().next().value ?? [];
      if (oldest) this._pictures.delete(oldest);
      old?.then((url) => url && URL.revokeObjectURL(url));
    }
    return picture;
  }

  /**
   * Return the address of a picture, null if there is none.
   *
   * @param {string} jid
   */
  async _read(jid) {
    if (jid.includes("/") || this._store.conversations.get(jid)?.type === "room") return null;
    if (this._isOff) return null;
    try {
      // A conversation has the avatar of a profile that was read lately: one request less.
      if (!this._store.conversations.get(jid)?.avatar) {
        const { name, avatar } = await this._api.user(jid);
        this._store.learn(jid, name);
        if (!avatar) return null;
      }
      return URL.createObjectURL(await this._api.avatar(jid));
    } catch (error) {
      this._isOff = error instanceof ApiError && error.status === 501;
      return null;
    }
  }
}

/** @param {string} name */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean);
  const letters = words.slice(0, 2).map((word) => [...word][0] ?? "");
  return letters.join("").toLocaleUpperCase() || "?";
}

/** @param {string} text */
export function colourOf(text) {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return sum % COLOURS;
}
