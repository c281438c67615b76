// The sign-in of the user: tokens, and requests with them.
//
// The access token is in memory alone. The refresh token is in the storage of the tab, or of the
// browser if the user stays signed in; then all tabs share it, and refresh one after the other.

const KEY = "muniment-sign-in";

/** The access token is replaced when it has this many seconds left. */
const SPARE_SECONDS = 30;

/** A refused or failed request. */
export class ApiError extends Error {
  /**
   * @param {number} status 0: there was no answer
   * @param {string} condition
   * @param {string} message
   */
  constructor(status, condition, message) {
    super(message);
    this.status = status;
    this.condition = condition;
  }

  /** Whether the same request may succeed later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** @typedef {{jid: string, id: string, refresh_token: string, stays: boolean}} Stored */

/** Emits "ended" when the user is not signed in any more: "signed-out", or "lost" without a wish. */
export class Session extends EventTarget {
  /** @param {string} api address of the API, with its version */
  constructor(api) {
    super();
    this.api = api;
    this.jid = "";
    this._access = "";
    this._expires = 0;
    /** @type {Promise<void> | null} */
    this._refreshing = null;
    // Another tab has signed out.
    addEventListener("storage", (event) => {
      if (event.key === KEY && !event.newValue && this.jid && !load()) this.end();
    });
  }

  /**
   * @param {string} jid
   * @param {string} password
   * @param {boolean} stays
   */
  async signIn(jid, password, stays) {
    const label = navigator.userAgent.slice(0, 200);
    const tokens = await this._post("tokens", { jid, password, label });
    this._take(tokens, stays);
  }

  /** Continue an earlier sign-in, and return whether there was one. Throws ApiError. */
  async resume() {
    const stored = load();
    if (!stored) return false;
    this.jid = stored.jid;
    try {
      await this._refresh();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return false;
      throw error;
    }
    return true;
  }

  /** End the sign-in here and on the server. */
  async signOut() {
    try {
      await this.request("DELETE", "tokens/current");
    } catch {
      // The token expires by itself.
    }
    this.end();
  }

  /**
   * Forget the tokens.
   *
   * @param {"signed-out" | "lost"} [why]
   */
  end(why = "signed-out") {
    this.jid = "";
    this._access = "";
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
    this.dispatchEvent(new CustomEvent("ended", { detail: why }));
  }

  /**
   * Make a request as the user, and return the decoded answer.
   *
   * @param {string} method
   * @param {string} path below the address of the API
   * @param {{query?: Record<string, any>, body?: unknown, raw?: Blob, type?: "json" | "blob",
   *   signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  async request(method, path, options = {}) {
    const answer = await this.response(method, path, options);
    if (answer.status === 204) return null;
    return options.type === "blob" ? answer.blob() : answer.json();
  }

  /**
   * Make a request as the user, and return its answer. Throws ApiError.
   *
   * @param {string} method
   * @param {string} path
   * @param {{query?: Record<string, any>, body?: unknown, raw?: Blob, signal?: AbortSignal}} options
   */
  async response(method, path, { query, body, raw, signal } = {}) {
    const url = this._url(path, query);
    for (let attempt = 0; ; attempt++) {
      if (Date.now() > this._expires) await this._refresh();
      /** @type {Record<string, string>} */
      const headers = { Authorization: `Bearer ${this._access}` };
      if (raw) headers["Content-Type"] = raw.type;
      else if (body !== undefined) headers["Content-Type"] = "application/json";
      const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
      const answer = await call(url, { method, headers, body: content, signal });
      if (answer.status === 401 && attempt === 0) {
        this._expires = 0;
        continue;
      }
      if (answer.ok) return answer;
      throw await refusal(answer);
    }
  }

  /**
   * Create an account, where everybody may, and sign in. Throws ApiError.
   *
   * @param {{jid: string, password: string, name: string}} fields
   * @param {boolean} stays
   */
  async signUp(fields, stays) {
    this._take(await this._post("chat/sign-up", fields), stays);
  }

  /**
   * Return which passwords a new account may have. Throws ApiError.
   *
   * @returns {Promise<{password_min: number, password_max: number}>}
   */
  async signUpRules() {
    const answer = await call(this._url("chat/sign-up"), {});
    if (!answer.ok) throw await refusal(answer);
    return answer.json();
  }

  /**
   * Return the address of a live stream, which shows a ticket instead of a token.
   *
   * @param {string} path
   * @param {Record<string, any>} query
   */
  async streamUrl(path, query) {
    const { ticket } = await this.request("POST", "tokens/tickets");
    return this._url(path, { ...query, ticket });
  }

  /**
   * @param {string} path
   * @param {Record<string, any>} [query]
   */
  _url(path, query = {}) {
    const url = new URL(`${this.api}/${path}`, document.baseURI);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
    }
    return url;
  }

  /**
   * @param {string} path
   * @param {object} fields
   */
  async _post(path, fields) {
    const headers = { "Content-Type": "application/json" };
    const answer = await call(this._url(path), {
      method: "POST",
      headers,
      body: JSON.stringify(fields),
    });
    if (!answer.ok) throw await refusal(answer);
    return answer.status === 204 ? null : answer.json();
  }

  /** One refresh at a time in this tab, and one tab after the other. */
  _refresh() {
    this._refreshing ??= exclusively(() => this._refreshNow()).finally(() => {
      this._refreshing = null;
    });
    return this._refreshing;
  }

  async _refreshNow() {
    // Another tab may have replaced the token meanwhile.
    const stored = load();
    if (!stored || stored.jid !== this.jid) {
      this.end();
      throw new ApiError(401, "not-authorized", "You are signed out.");
    }
    try {
      const tokens = await this._post("tokens/refresh", { refresh_token: stored.refresh_token });
      this._take(tokens, stored.stays);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.end("lost");
      throw error;
    }
  }

  /**
   * @param {any} tokens
   * @param {boolean} stays
   */
  _take(tokens, stays) {
    this.jid = tokens.jid;
    this._access = tokens.access_token;
    this._expires = Date.now() + Math.max(tokens.expires_in - SPARE_SECONDS, 1) * 1000;
    const stored = { jid: tokens.jid, id: tokens.id, refresh_token: tokens.refresh_token, stays };
    (stays ? sessionStorage : localStorage).removeItem(KEY);
    (stays ? localStorage : sessionStorage).setItem(KEY, JSON.stringify(stored));
  }
}

/** @returns {Stored | null} */
function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

/**
 * Run a function while no other tab does. A browser has locks on pages with TLS and on this machine
 * alone; elsewhere the server's minute of grace for a replaced token has to do.
 *
 * @template T
 * @param {() => Promise<T>} run
 * @returns {Promise<T>}
 */
function exclusively(run) {
  return navigator.locks ? /** @type {any} */ (navigator.locks.request(KEY, run)) : run();
}

/**
 * @param {URL} url
 * @param {RequestInit} options
 */
async function call(url, options) {
  try {
    return await fetch(url, { ...options, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (/** @type {any} */ (error).name === "AbortError") throw error;
    throw new ApiError(0, "no-answer", "The server does not answer. Check your connection.");
  }
}

/** @param {Response} answer */
async function refusal(answer) {
  try {
    const { error, message } = await answer.json();
    return new ApiError(answer.status, error, message);
  } catch {
    const { status } = answer;
    const text =
      status >= 500
        ? `The server is not ready (error ${status}). Try again in a moment.`
        : `The server refused this (error ${status}).`;
    return new ApiError(status, "internal-server-error", text);
  }
}
