// The chat page: sign-in, then conversations on one side and one of them on the other.

import { announce, showAnnouncements } from "../shared/announce.js";
import { button, element, fill } from "../shared/dom.js";
import { applyTheme } from "../shared/theme.js";
import { Api } from "./data/api.js";
import { Drafts } from "./data/drafts.js";
import { Outbox } from "./data/outbox.js";
import { showPresence } from "./data/presence.js";
import { ApiError, Session } from "./data/session.js";
import { Store } from "./data/store.js";
import { Stream } from "./data/stream.js";
import { showAccount } from "./view/account.js";
import { Avatars } from "./view/avatars.js";
import { ConversationView } from "./view/conversation.js";
import { showHelp } from "./view/dialogs.js";
import { Pictures } from "./view/pictures.js";
import { newRoom, showRoom } from "./view/rooms.js";
import { Sidebar } from "./view/sidebar.js";
import { signIn } from "./view/sign_in.js";
import { choose } from "./view/switcher.js";

/** @param {string} name of a value that the server has put into the page */
function setting(name) {
  return document.querySelector(`meta[name="muniment-${name}"]`)?.getAttribute("content") ?? "";
}

/** The page of one user who has signed in. */
class App {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.api = new Api(session);
    this.store = new Store(session.jid);
    this.outbox = new Outbox(this.api);
    this.drafts = new Drafts(session.jid);
    this.stream = new Stream(this.api);
    this.avatars = new Avatars(this.api, this.store);
    // An upload service at the origin of the page is named in no setting.
    const pictures = new Pictures([location.origin, ...setting("uploads").split(" ")]);
    const { api, store, outbox, drafts, avatars } = this;
    this.view = new ConversationView(api, store, outbox, drafts, avatars, pictures, {
      back: () => this._go(""),
      room: (chat) => showRoom(this.api, this.store, chat, () => this._leave(chat.jid)),
      go: (jid, id) => this._go(jid, id),
    });
    this.sidebar = new Sidebar(this.store, this.avatars, {
      more: async () => this.store.takePage(await this.api.conversations(this.store.next)),
      find: () => this._find(),
      newRoom: () => newRoom(this.api, this.store, (jid) => this._go(jid)),
      menu: () => showAccount(this.api, this.avatars, () => this._signOut()),
      reload: () => this._load(),
      search: () => this._search(true),
    });
    this._aborter = new AbortController();
  }

  async start() {
    const { signal } = this._aborter;
    const skip = button("Skip to writing", () => this.view.composer.focus(), { class: "skip" });
    fill(document.body, skip, element("main", { class: "app" }, this.sidebar.element, this.view.element));
    showAnnouncements();
    addEventListener("hashchange", () => this.store.isLoaded && this._route(), { signal });
    addEventListener("keydown", (event) => this._onKey(event), { signal });
    this.stream.addEventListener("event", (event) => this._take(/** @type {any} */ (event).detail));
    this.store.addEventListener("stale", (event) => this._refresh(/** @type {any} */ (event).detail));
    this.stream.addEventListener("lost", () => this._load());
    let wasAway = false;
    this.stream.addEventListener("state", (event) => {
      const isConnected = /** @type {any} */ (event).detail;
      this.sidebar.setConnected(isConnected);
      if (isConnected && wasAway) this.view.timeline.readGaps();
      wasAway = !isConnected;
    });
    await this._load();
    showPresence(this.api, signal);
    this.outbox.resume();
  }

  /** Take everything off the page, and stop what works in the background. */
  stop() {
    this._aborter.abort();
    this.stream.stop();
  }

  /** Forget what the user has written and not sent. */
  clear() {
    this.outbox.clear();
    this.drafts.clear();
  }

  /** Read the state of the account, and follow the events behind it. */
  async _load() {
    this.stream.stop();
    try {
      // What happens while the state is read comes once more, behind the place.
      const place = await this.api.place();
      this.store.takePage(await this.api.conversations());
      this.stream.start(place);
      this.api.snapshot().then((snapshot) => this.store.takeSnapshot(snapshot), () => {});
      if (this.view.chat) await this.view.timeline.catchUp();
      else await this._route();
    } catch (error) {
      this.sidebar.fail(/** @type {Error} */ (error));
    }
  }

  /**
   * Read one conversation again.
   *
   * @param {string} jid
   */
  async _refresh(jid) {
    try {
      this.store.put(await this.api.conversation(jid));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.store.remove(jid);
    }
  }

  /** @param {any} event */
  _take(event) {
    this.store.take(event);
    const { jid, message } = event;
    const isNew = event.type === "message" && message?.kind === "message";
    if (isNew) this.outbox.remove(message.message_id);
    if (event.type === "expired" && jid === this.view.chat?.jid) this._route();
    if (!isNew || message.direction === "send") return;
    if (jid !== this.view.chat?.jid) announce(`New message from ${this.store.nameOf(jid)}`);
  }

  async _route() {
    const [, place, jid, id] = location.hash.split("/").map(decoded);
    const isChat = place === "chat" && jid;
    document.body.dataset.pane = isChat ? "chat" : "list";
    this.sidebar.select(isChat ? jid : "");
    if (place === "join" && jid) await this._join(jid);
    else if (isChat) await this._open(jid, id || null);
    else this.view.close();
  }

  /**
   * @param {string} jid
   * @param {string | null} id of a message
   */
  async _open(jid, id) {
    let chat = this.store.chat(jid);
    if (!this.store.conversations.has(jid)) {
      const { hash } = location;
      // One that is not in the list may be an older one, or a room.
      chat = await this.api.conversation(jid).catch(() => chat);
      if (location.hash !== hash) return;
    }
    await this.view.open(chat, id);
  }

  /** @param {string} token */
  async _join(token) {
    try {
      const room = await this.api.joinRoom(token);
      this.store.put({ jid: room.jid, type: "room", name: room.name, unread: 0, last: null });
      this._go(room.jid);
    } catch (error) {
      this.sidebar.fail(/** @type {Error} */ (error));
    }
  }

  /**
   * @param {string} jid
   * @param {string} [id]
   */
  _go(jid, id) {
    const parts = ["#", "chat", jid, id].filter(Boolean).map((part) => encodeURIComponent(part ?? ""));
    const hash = jid ? parts.join("/").replace("%23", "#") : "#/";
    if (location.hash === hash) this._route();
    else location.hash = hash;
  }

  /** @param {string} jid of a room that the user has left */
  _leave(jid) {
    this.store.remove(jid);
    this._go("");
  }

  /** @param {boolean} [everywhere] in all conversations, also if one is shown */
  _search(everywhere = false) {
    document.body.dataset.pane = "chat";
    this.view.find(everywhere);
  }

  async _find() {
    const jid = await choose(this.store, this.api, this.avatars);
    if (jid) this._go(jid);
  }

  async _signOut() {
    this.stop();
    await this.session.signOut();
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const isWriting = target.matches("input, textarea, select");
    const isCommand = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (document.querySelector("dialog[open]")) return;
    if (isCommand && event.key.toLowerCase() === "k") this._find();
    else if (event.key === "F6") this._nextPart(event.shiftKey ? -1 : 1);
    else if (isWriting || isCommand || event.altKey) return;
    else if (event.key === "?") showHelp();
    else if (event.key === "/") this._search();
    else return;
    event.preventDefault();
  }

  /** @param {number} step */
  _nextPart(step) {
    const { view, sidebar } = this;
    const parts = [
      [sidebar.element, () => sidebar.focus()],
      [view.timeline.element, () => view.timeline.focusRow()],
      [view.composer.element, () => view.composer.focus()],
    ].filter(([part]) => /** @type {any} */ (part).checkVisibility());
    const place = parts.findIndex(([part]) => /** @type {any} */ (part).contains(document.activeElement));
    const next = place < 0 ? 0 : (place + step + parts.length) % parts.length;
    /** @type {any} */ (parts[next])?.[1]();
  }
}

/** @param {string} part of a fragment */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

const NOTICE = "muniment-notice";
const LOST = "Your sign-in has ended. Sign in again: what you have written is still there.";

async function main() {
  applyTheme();
  const notice = sessionStorage.getItem(NOTICE) ?? "";
  sessionStorage.removeItem(NOTICE);
  const options = { domain: setting("domain"), signUp: setting("sign-up") === "yes", notice };
  const session = new Session(setting("api"));
  await signedIn(session, options);
  const app = new App(session);
  session.addEventListener("ended", (event) => {
    app.stop();
    const isLost = /** @type {any} */ (event).detail === "lost";
    if (!isLost) app.clear();
    // The next page has nothing of this user in its address. What the user has written waits in the
    // storage of the tab, if the user did not want to sign out.
    sessionStorage.setItem(NOTICE, isLost ? LOST : "You are signed out.");
    history.replaceState(null, "", location.pathname);
    location.reload();
  });
  await app.start();
}

/**
 * Return when the user has signed in, or an earlier sign-in is valid still.
 *
 * @param {Session} session
 * @param {{domain: string, signUp: boolean, notice: string}} options
 */
async function signedIn(session, options) {
  for (;;) {
    try {
      if (!(await session.resume())) await signIn(session, options);
      return;
    } catch (error) {
      await unreachable(/** @type {Error} */ (error));
    }
  }
}

/**
 * Say that the server does not answer, and return when the user tries again.
 *
 * @param {Error} error
 * @returns {Promise<void>}
 */
function unreachable(error) {
  return new Promise((resolve) => {
    const again = button("Try again", () => resolve());
    fill(
      document.body,
      element("main", { class: "sign-in" }, element("h1", {}, "Chat"), element("p", { role: "alert" }, error.message), again),
    );
    again.focus();
  });
}

main();
