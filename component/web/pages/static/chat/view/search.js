// Search in the conversation that is shown, or in all: hits with marks, each a link to its place.

import { button, element, fill } from "../../shared/dom.js";
import { icon } from "../../shared/icons.js";
import { marksOf, textNodes } from "../../shared/text.js";
import { brief, full } from "../../shared/times.js";

/** Characters of a text before its first mark that a hit shows. */
const BEFORE = 40;
const SHOWN = 240;
/** Characters of a message beside a hit. */
const CONTEXT = 80;

export class Search {
  /**
   * @param {import("../data/api.js").Api} api
   * @param {import("../data/store.js").Store} store
   * @param {{chat: () => any, closed: () => void, show: (jid: string, id: string, marks: RegExp | null) => void}} commands
   */
  constructor(api, store, commands) {
    this._api = api;
    this._store = store;
    this._commands = commands;
    this._aborter = new AbortController();
    /** @type {string | null} */
    this._next = null;
    this._field = element("input", {
      type: "search",
      "aria-label": "Search messages",
      placeholder: 'Words, "a phrase", plan*',
      autocomplete: "off",
    });
    this._everywhere = element("input", { type: "checkbox", on: { change: () => this._run() } });
    this._choice = element("label", { class: "check" }, this._everywhere, "In all conversations");
    this._status = element("p", { class: "hint", role: "status" });
    this._hits = element("ol", { class: "hits", "aria-label": "Results" });
    this._more = button("Older results", () => this._read(), { class: "link", hidden: true });
    this.element = element(
      "search",
      { class: "search", hidden: true, on: { keydown: (/** @type {any} */ e) => this._onKey(e) } },
      element(
        "form",
        {
          on: {
            submit: (/** @type {Event} */ event) => {
              event.preventDefault();
              this._run();
            },
          },
        },
        this._field,
        button(icon("close"), () => this.close(), { class: "icon", "aria-label": "Close the search" }),
        this._choice,
      ),
      this._status,
      this._hits,
      this._more,
    );
    this._field.addEventListener("input", () => {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => this._run(), 300);
    });
    this._timer = 0;
  }

  /** @param {boolean} everywhere in all conversations; if not, as the user chose last */
  open(everywhere) {
    this.element.hidden = false;
    if (everywhere && !this._everywhere.checked) {
      this._everywhere.checked = true;
      this._run();
    }
    // Where no conversation is shown there is no other choice.
    this._choice.hidden = !this._commands.chat();
    this._field.focus();
    this._field.select();
  }

  close() {
    if (this.element.hidden) return;
    this.element.hidden = true;
    this._aborter.abort();
    this._commands.closed();
  }

  async _run() {
    clearTimeout(this._timer);
    this._aborter.abort();
    this._aborter = new AbortController();
    this._next = null;
    fill(this._hits);
    this._more.hidden = true;
    this._status.textContent = "";
    if (this._field.value.trim()) await this._read();
  }

  async _read() {
    const { signal } = this._aborter;
    const search = this._field.value.trim();
    const chat = this._everywhere.checked ? null : (this._commands.chat() ?? null);
    this._status.textContent = "Searching…";
    try {
      const { hits, next } = await this._api.search(chat, search, this._next, signal);
      const marks = marksOf(search);
      this._hits.append(...hits.map((hit) => this._hit(hit, marks, chat)));
      this._next = next;
      this._more.hidden = !next;
      const count = this._hits.children.length;
      this._status.textContent = resultsText(count, next);
      this._rove(this._hits.firstElementChild?.firstElementChild);
    } catch (error) {
      if (!signal.aborted) this._status.textContent = /** @type {Error} */ (error).message;
    }
  }

  /**
   * @param {import("../data/api.js").Hit} found
   * @param {RegExp | null} marks
   * @param {any} chat null: the hit names its conversation
   */
  _hit({ jid, name, message, before, after }, marks, chat) {
    const show = () => this._commands.show(jid, message.id, marks);
    const hit = button("", show, { class: "hit", tabindex: -1 });
    const author = this._authorOf(message);
    const text = plain(excerpt(message.body ?? "", marks), marks);
    fill(
      hit,
      element("span", { class: "name" }, element("bdi", {}, chat ? author : name)),
      element("time", { datetime: message.time, title: full(message.time) }, brief(message.time)),
      before.map((other) => this._context(other)),
      element(
        "span",
        { class: "excerpt", dir: "auto" },
        !chat && element("bdi", { class: "by" }, `${author}: `),
        ...text,
      ),
      after.map((other) => this._context(other)),
    );
    return element("li", {}, hit);
  }

  /** @param {import("../data/api.js").Message} message beside a hit */
  _context(message) {
    const text = (message.retracted ? "deleted message" : (message.body ?? "")).slice(0, CONTEXT);
    return element("span", { class: "context" }, element("bdi", {}, `${this._authorOf(message)}: ${text}`));
  }

  /** @param {import("../data/api.js").Message} message */
  _authorOf(message) {
    if (message.author === this._store.me) return "You";
    if (message.author) return this._store.nameOf(message.author);
    return message.resource || this._store.nameOf(message.peer);
  }

  /** @param {any} hit the hit that Tab reaches */
  _rove(hit) {
    for (const old of this._hits.querySelectorAll("button")) old.tabIndex = -1;
    if (hit) hit.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    const hits = [...this._hits.querySelectorAll("button")];
    const place = hits.indexOf(document.activeElement);
    if (event.key === "Escape") {
      this.close();
    } else if (event.key === "ArrowDown" && place < hits.length - 1) {
      hits[place + 1].focus();
      this._rove(hits[place + 1]);
    } else if (event.key === "ArrowUp" && place >= 0) {
      if (place) hits[place - 1].focus();
      else this._field.focus();
      this._rove(hits[Math.max(place - 1, 0)]);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

/**
 * @param {number} count
 * @param {string | null} next not null: there are more
 */
function resultsText(count, next) {
  if (!count) return "No results. Try fewer words, or the beginning of a word with * behind it.";
  if (next) return `${count} results, and there are more`;
  return count === 1 ? "1 result" : `${count} results`;
}

/**
 * Return the part of a text around its first mark.
 *
 * @param {string} text
 * @param {RegExp | null} marks
 */
export function excerpt(text, marks) {
  const first = marks ? text.search(marks) : 0;
  const start = Math.max(0, first - BEFORE);
  const cut = text.slice(start, start + SHOWN);
  return `${start ? "…" : ""}${cut}${start + SHOWN < text.length ? "…" : ""}`;
}

/**
 * Return the nodes of a text with marks and without links, because a button has none inside.
 *
 * @param {string} text
 * @param {RegExp | null} marks
 */
function plain(text, marks) {
  return textNodes(text, marks).map((node) =>
    node instanceof HTMLElement && node.localName === "bdi" ? node.textContent ?? "" : node,
  );
}
