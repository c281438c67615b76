// The field in which the user writes, also a correction of an earlier message.

import { button, element, fill } from "../../shared/dom.js";
import { icon } from "../../shared/icons.js";

/** Characters of a message at most: 64 KiB of UTF-8, in the worst case. */
const MAX_BYTES = 65_536;

/** Milliseconds between two notes that the user still types. */
const TYPING_EVERY = 4000;

export class Composer {
  /**
   * @param {import("../data/drafts.js").Drafts} drafts
   * @param {{send: (text: string, answered: string | null) => void,
   *   correct: (message: any, text: string) => Promise<void>,
   *   lastOwn: () => any, attach: (file: File, answered: string | null) => Promise<void>,
   *   typing: (state: string) => void}} commands
   */
  constructor(drafts, commands) {
    this._drafts = drafts;
    this._commands = commands;
    /** @type {any} the message that is being corrected */
    this._corrected = null;
    /** @type {any} the message that is being answered */
    this._answered = null;
    this._jid = "";
    this._typedAt = 0;
    this._pause = 0;
    this._field = element("textarea", {
      id: "composer",
      rows: 1,
      "aria-label": "Message",
      placeholder: "Message",
      dir: "auto",
      on: {
        keydown: (/** @type {KeyboardEvent} */ event) => this._onKey(event),
        input: () => this._onInput(),
        paste: (/** @type {ClipboardEvent} */ event) => this._onPaste(event),
      },
    });
    this._note = element("p", { class: "composer-note", role: "status" });
    this._file = element("input", {
      type: "file",
      hidden: true,
      on: { change: () => this._attach(this._file.files?.[0]) },
    });
    this.element = element(
      "form",
      {
        class: "composer",
        on: {
          submit: (/** @type {Event} */ event) => {
            event.preventDefault();
            this._submit();
          },
        },
      },
      this._note,
      button(icon("file"), () => this._file.click(), {
        class: "icon",
        title: "Send a file",
        "aria-label": "Send a file",
      }),
      this._file,
      this._field,
      element("button", { class: "primary send", "aria-label": "Send", title: "Send (Enter)" }, icon("send")),
    );
  }

  /** @param {string} jid of the conversation that is shown now */
  switchTo(jid) {
    this._jid = jid;
    this._stop();
    this._field.value = this._drafts.of(jid);
    this._grow();
  }

  focus() {
    this._field.focus();
  }

  /** @param {any} message of the user, to be corrected */
  correct(message) {
    this._stop();
    this._corrected = message;
    this._field.value = message.body;
    const stop = button("Cancel", () => this._stop(), { class: "link" });
    fill(this._note, "You are editing your message. ", stop);
    this._grow();
    this._field.focus();
  }

  /**
   * @param {any} message to be answered
   * @param {string} name of its author
   */
  answer(message, name) {
    this._stop();
    this._answered = message;
    const stop = button("Cancel", () => this._stop(), { class: "link" });
    const text = (message.file?.name ?? message.body ?? "").slice(0, 120);
    fill(this._note, "Replying to ", element("bdi", {}, name), ": ", element("bdi", {}, text), " ", stop);
    this._field.focus();
  }

  /** @param {string} text */
  say(text) {
    this._note.textContent = text;
  }

  /** End a correction or an answer. */
  _stop() {
    if (this._corrected) this._field.value = this._drafts.of(this._jid);
    this._corrected = null;
    this._answered = null;
    fill(this._note);
    this._grow();
  }

  async _submit() {
    const text = this._field.value.trim();
    if (!text) return;
    if (new TextEncoder().encode(text).length > MAX_BYTES) {
      this.say("This is too long for one message. Send it in parts, or as a file.");
      return;
    }
    const corrected = this._corrected;
    if (!corrected) {
      const answered = this._answered?.id ?? null;
      this._field.value = "";
      this._drafts.keep(this._jid, "");
      this._stop();
      this._typedAt = 0;
      this._commands.send(text, answered);
    } else if (text !== corrected.body) {
      try {
        await this._commands.correct(corrected, text);
        this._stop();
      } catch (error) {
        this.say(/** @type {Error} */ (error).message);
      }
    } else {
      this._stop();
    }
    this._grow();
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this._submit();
    } else if (event.key === "ArrowUp" && !this._field.value) {
      const message = this._commands.lastOwn();
      if (message) {
        event.preventDefault();
        this.correct(message);
      }
    } else if (event.key === "Escape" && (this._corrected || this._answered)) {
      event.stopPropagation();
      this._stop();
    }
  }

  _onInput() {
    this._grow();
    if (!this._corrected) this._drafts.keep(this._jid, this._field.value);
    clearTimeout(this._pause);
    if (!this._field.value || this._corrected) return;
    if (Date.now() - this._typedAt > TYPING_EVERY) {
      this._typedAt = Date.now();
      this._commands.typing("composing");
    }
    this._pause = setTimeout(() => {
      this._typedAt = 0;
      this._commands.typing("paused");
    }, TYPING_EVERY);
  }

  /** @param {ClipboardEvent} event */
  _onPaste(event) {
    const file = event.clipboardData?.files[0];
    if (file) {
      event.preventDefault();
      this._attach(file);
    }
  }

  /** @param {File | undefined} file */
  async _attach(file) {
    if (!file) return;
    const answered = this._answered?.id ?? null;
    this._stop();
    this.say(`Sending ${file.name}…`);
    try {
      await this._commands.attach(file, answered);
      this.say("");
    } catch (error) {
      this.say(/** @type {Error} */ (error).message);
    } finally {
      this._file.value = "";
    }
  }

  _grow() {
    // The browser does it by the style sheet, without a layout at each change of the conversation.
    if (CSS.supports("field-sizing", "content")) return;
    const field = this._field;
    field.style.height = "auto";
    const borders = field.offsetHeight - field.clientHeight;
    field.style.height = `${Math.min(field.scrollHeight + borders, 200)}px`;
  }
}
