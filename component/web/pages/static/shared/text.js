// Texts of strangers, cut into parts: words, links, and marks of a search. All of it stays text.

import { element } from "./dom.js";

/** @typedef {{text: string, link?: string, mark?: boolean}} Part */

/** Characters that are shown of a longer text before somebody asks for the rest. */
export const SHOWN = 2000;

const LINK = /\b(?:https?:\/\/|xmpp:|mailto:)[^\s<>"'`{}|\\^\p{Cc}\p{Cf}]+/giu;
/** A longer address is no link: a stranger could make a page search it for minutes. */
const LINK_MAX = 2000;

const PROTOCOLS = ["http:", "https:", "xmpp:", "mailto:"];

/** What ends a sentence and not an address. */
const TRAILING = /[.,:;!?…)\]}'"»”]+$/u;

/**
 * Return the parts of a text.
 *
 * @param {string} text
 * @param {RegExp | null} [marks] what a search has found
 * @returns {Part[]}
 */
export function parts(text, marks = null) {
  /** @type {Part[]} */
  const found = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    if (match[0].length > LINK_MAX) continue;
    const address = trimmed(match[0]);
    const link = safe(address);
    if (!link) continue;
    found.push(...marked(text.slice(end, match.index), marks));
    found.push({ text: address, link });
    end = match.index + address.length;
  }
  found.push(...marked(text.slice(end), marks));
  return found;
}

/**
 * Return the nodes that show a text. Addresses are isolated, so that no character for the direction
 * of writing makes an address look like another one.
 *
 * @param {string} text
 * @param {RegExp | null} [marks]
 * @returns {(Node | string)[]}
 */
export function textNodes(text, marks = null) {
  return parts(text, marks).map((part) => {
    if (part.link) {
      const attributes = { href: part.link, rel: "noopener noreferrer nofollow", target: "_blank" };
      return element("bdi", {}, element("a", { ...attributes, tabindex: -1 }, part.text));
    }
    return part.mark ? element("mark", {}, part.text) : part.text;
  });
}

/**
 * Return a pattern for the words and phrases of a search, null if there are none.
 *
 * @param {string} search as the archive takes it: words, "a phrase", the beginning of a word*
 */
export function marksOf(search) {
  const terms = [...search.matchAll(/"([^"]+)"|(\S+)/g)].map((match) => match[1] ?? match[2]);
  const patterns = terms
    .map((term) => term.replace(/^[*"]+|[*"]+$/g, ""))
    .filter((term) => term)
    .sort((a, b) => b.length - a.length)
    .map((term) => term.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&").replace(/\s+/g, "\\s+"));
  return patterns.length ? new RegExp(patterns.join("|"), "giu") : null;
}

/**
 * Return an address that is safe to follow, null for any other.
 *
 * @param {string} address
 */
export function safe(address) {
  try {
    const url = new URL(address);
    return PROTOCOLS.includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** @param {string} address */
function trimmed(address) {
  const end = TRAILING.exec(address);
  if (!end) return address;
  const cut = address.slice(0, end.index);
  // A closing parenthesis belongs to an address that has an opening one.
  return end[0].startsWith(")") && cut.includes("(") ? `${cut})` : cut;
}

/**
 * @param {string} text
 * @param {RegExp | null} marks
 * @returns {Part[]}
 */
function marked(text, marks) {
  if (!marks) return text ? [{ text }] : [];
  /** @type {Part[]} */
  const found = [];
  let end = 0;
  for (const match of text.matchAll(marks)) {
    if (!match[0]) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: match[0], mark: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}
