// The live stream of events. It comes back by itself, behind the last event that it has given.

import { ApiError } from "./session.js";

const FIRST_DELAY = 500;
const LONGEST_DELAY = 20_000;

const TYPES = [
  ...["message", "contact", "presence", "displayed", "request", "failed", "changed"],
  ...["rooms", "expired", "typing"],
];

/**
 * Emits "event" with an event of the server, "state" with whether the stream is open, and "lost" when
 * events are missing, so that everything has to be read anew.
 */
export class Stream extends EventTarget {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    this._api = api;
    this._cursor = "";
    this._delay = FIRST_DELAY;
    this._isStopped = false;
    /** @type {EventSource | null} */
    this._source = null;
    this._timer = 0;
    this._retry = () => this._now();
    // A browser that is off line keeps a silent connection for minutes.
    this._drop = () => this._source && this._lose(this._source);
  }

  /** @param {string} cursor the place behind which events are new */
  start(cursor) {
    this._cursor = cursor;
    this._isStopped = false;
    addEventListener("online", this._retry);
    addEventListener("offline", this._drop);
    this._open();
  }

  stop() {
    this._isStopped = true;
    removeEventListener("online", this._retry);
    removeEventListener("offline", this._drop);
    clearTimeout(this._timer);
    this._source?.close();
    this._source = null;
  }

  async _open() {
    try {
      const url = await this._api.stream(this._cursor);
      if (this._isStopped) return;
      const source = new EventSource(url);
      this._source = source;
      source.onopen = () => {
        this._delay = FIRST_DELAY;
        this._emit("state", true);
      };
      for (const type of TYPES) {
        source.addEventListener(type, (event) => this._take(/** @type {MessageEvent} */ (event)));
      }
      // A browser would repeat the ticket, which is used up.
      source.onerror = () => this._lose(source);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;
      this._later();
    }
  }

  /** @param {MessageEvent} event */
  _take(event) {
    const data = JSON.parse(event.data);
    this._cursor = event.lastEventId || data.cursor || this._cursor;
    this._emit("event", data);
  }

  /** @param {EventSource} source */
  async _lose(source) {
    source.close();
    if (source !== this._source) return;
    this._source = null;
    this._emit("state", false);
    this._later();
  }

  _later() {
    clearTimeout(this._timer);
    if (this._isStopped) return;
    this._timer = setTimeout(() => this._again(), this._delay * (0.5 + Math.random() / 2));
    this._delay = Math.min(this._delay * 2, LONGEST_DELAY);
  }

  _now() {
    if (!this._source && !this._isStopped) {
      clearTimeout(this._timer);
      this._again();
    }
  }

  /** EventSource hides why it failed, so a request asks whether the place is still known. */
  async _again() {
    try {
      await this._api.place(this._cursor);
    } catch (error) {
      if (error instanceof ApiError && error.status === 410) {
        this._emit("lost", null);
        return;
      }
      if (error instanceof ApiError && error.status === 401) return;
      this._later();
      return;
    }
    this._open();
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
