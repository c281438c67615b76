// Ctrl+K: conversations by their names, and people of the directory, to switch to or to begin with.

import { element, fill } from "../../shared/dom.js";
import { showDialog } from "./dialogs.js";

/** Fewer characters find nobody in the directory. */
const LEAST = 3;
const SHOWN = 12;

/** @typedef {{jid: string, name: string, note: string}} Choice */

/**
 * Open the switcher, and return the JID that the user chooses, null if none.
 *
 * @param {import("../data/store.js").Store} store
 * @param {import("../data/api.js").Api} api
 * @param {import("./avatars.js").Avatars} avatars
 * @returns {Promise<string | null>}
 */
export function choose(store, api, avatars) {
  return new Promise((resolve) => {
    /** @type {Choice[]} */
    let choices = [];
    let active = 0;
    let timer = 0;
    /** @type {string | null} */
    let chosen = null;
    const list = element("ul", { id: "choices", role: "listbox", "aria-label": "Conversations and people" });
    const status = element("p", { class: "hint", role: "status" });
    const field = element("input", {
      role: "combobox",
      "aria-label": "Name or address",
      placeholder: "Name or address",
      "aria-controls": "choices",
      "aria-expanded": "true",
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
    });

    /** @param {string} jid */
    const take = (jid) => {
      chosen = jid;
      dialog.close();
    };

    const show = () => {
      active = Math.min(active, Math.max(choices.length - 1, 0));
      fill(
        list,
        ...choices.map((choice, index) =>
          element(
            "li",
            {
              id: `choice-${index}`,
              role: "option",
              "aria-selected": String(index === active),
              on: { click: () => take(choice.jid) },
            },
            avatars.node(choice.jid, choice.name),
            element("span", { class: "name" }, element("bdi", {}, choice.name)),
            element("span", { class: "hint" }, element("bdi", {}, choice.note)),
          ),
        ),
      );
      list.hidden = !choices.length;
      if (choices.length) field.setAttribute("aria-activedescendant", `choice-${active}`);
      else field.removeAttribute("aria-activedescendant");
      list.children[active]?.scrollIntoView({ block: "nearest" });
    };

    const search = async () => {
      const text = field.value.trim();
      active = 0;
      choices = known(store, text);
      status.textContent = choices.length ? "" : hint(text);
      show();
      if (text.length < LEAST) return;
      try {
        const { users } = await api.users(text);
        if (text !== field.value.trim()) return;
        const jids = new Set(choices.map(({ jid }) => jid));
        const others = users
          .filter((/** @type {any} */ { jid }) => !jids.has(jid))
          .map((/** @type {any} */ { jid, name }) => ({ jid, name: name || jid, note: jid }));
        choices = [...choices.filter(({ note }) => note !== NEW || !others.some((/** @type {any} */ o) => o.jid === text)), ...others];
        if (!choices.length) status.textContent = "Nobody found. A whole address works too.";
        show();
      } catch (error) {
        status.textContent = /** @type {Error} */ (error).message;
      }
    };

    field.addEventListener("input", () => {
      clearTimeout(timer);
      choices = known(store, field.value.trim());
      active = 0;
      show();
      timer = setTimeout(search, 200);
    });
    field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const steps = { ArrowDown: 1, ArrowUp: -1 };
      const step = /** @type {any} */ (steps)[event.key];
      if (step && choices.length) active = (active + step + choices.length) % choices.length;
      else if (event.key === "Enter" && choices[active]) take(choices[active].jid);
      else return;
      event.preventDefault();
      show();
    });

    const dialog = showDialog("Go to", field, status, list);
    dialog.classList.add("switcher");
    dialog.addEventListener("close", () => {
      clearTimeout(timer);
      resolve(chosen);
    });
    search();
    field.focus();
  });
}

/**
 * Return what to write where nothing is found, and the directory is not searched.
 *
 * @param {string} text
 */
function hint(text) {
  if (!text) return "No conversations yet. Write a name or an address.";
  return text.length < LEAST ? `Write ${LEAST} letters or more to find people.` : "";
}

const NEW = "Start a conversation";

/**
 * Return the conversations and contacts whose name or address has a text.
 *
 * @param {import("../data/store.js").Store} store
 * @param {string} text
 * @returns {Choice[]}
 */
function known(store, text) {
  const lower = text.toLocaleLowerCase();
  const has = (/** @type {string} */ value) => value.toLocaleLowerCase().includes(lower);
  const chats = store.sorted().map(({ jid, name }) => ({ jid, name, note: jid }));
  const contacts = [...store.names]
    .filter(([jid]) => !store.conversations.has(jid))
    .map(([jid, name]) => ({ jid, name, note: jid }));
  const matches = [...chats, ...contacts].filter(({ jid, name }) => has(jid) || has(name));
  const isAddress = /^[^\s@/]+@[^\s@/]+$/.test(text) && text !== store.me;
  if (isAddress && !matches.some(({ jid }) => jid === text)) {
    matches.push({ jid: text, name: text, note: NEW });
  }
  return matches.slice(0, SHOWN);
}
