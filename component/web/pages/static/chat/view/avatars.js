// Pictures of people and rooms. Without one there are the initials, on a colour of the address.

import { element, fill } from "../../shared/dom.js";

const MAX = 200;
const COLOURS = 12;

export class Avatars {
  /** @param {import("../data/api.js").Api} api */
  constructor(api) {
    this._api = api;
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
    const picture = this._api
      .avatar(jid)
      .then((blob) => (blob ? URL.createObjectURL(blob) : null))
      .catch(() => null);
    this._pictures.set(jid, picture);
    if (this._pictures.size > MAX) {
      const [oldest, old] = this._pictures.entries().next().value ?? [];
      if (oldest) this._pictures.delete(oldest);
      old?.then((url) => url && URL.revokeObjectURL(url));
    }
    return picture;
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
