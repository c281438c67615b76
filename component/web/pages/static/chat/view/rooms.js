// Rooms: make one, see its members, invite, rename, leave.

import { button, element, fill } from "../../shared/dom.js";
import { full } from "../../shared/times.js";
import { ask, showDialog, showForm } from "./dialogs.js";

/** @typedef {{jid: string, name: string, affiliation: string, members: {jid: string, affiliation: string}[]}} Room */

/**
 * @param {import("../data/api.js").Api} api
 * @param {import("../data/store.js").Store} store
 * @param {(jid: string) => void} go shows a conversation
 */
export function newRoom(api, store, go) {
  const members = element("textarea", { name: "members", rows: 3, spellcheck: "false" });
  showForm(
    "New room",
    [
      element("label", {}, "Name", element("input", { name: "name", required: true, maxlength: 100, dir: "auto" })),
      element("label", {}, "Members", members),
      element("p", { class: "hint" }, "Names or addresses, separated by spaces or on lines of their own. You can invite others later."),
    ],
    "Create the room",
    async (data) => {
      const room = await api.createRoom(String(data.get("name")), addresses(String(data.get("members")), store));
      store.put({ jid: room.jid, type: "room", name: room.name, unread: 0, last: null });
      go(room.jid);
    },
  );
}

/**
 * @param {import("../data/api.js").Api} api
 * @param {import("../data/store.js").Store} store
 * @param {import("../data/api.js").Conversation} chat
 * @param {() => void} left is called once the user is not a member any more
 */
export function showRoom(api, store, chat, left) {
  const content = element("div", { class: "room" }, "Loading…");
  const error = element("p", { class: "error", role: "alert" });
  const dialog = showDialog("Room", content, error);

  const run = async (/** @type {() => Promise<unknown>} */ action) => {
    error.textContent = "";
    try {
      await action();
      await load();
    } catch (failure) {
      error.textContent = /** @type {Error} */ (failure).message;
    }
  };

  const load = async () => {
    const room = await api.room(chat.jid);
    const mayManage = room.affiliation === "owner" || room.affiliation === "admin";
    fill(
      content,
      element("p", { class: "hint" }, element("bdi", {}, room.jid)),
      mayManage && rename(room),
      element("h3", {}, room.members.length === 1 ? "1 member" : `${room.members.length} members`),
      element("ul", { class: "members" }, ...room.members.map((/** @type {any} */ member) => memberItem(member, mayManage))),
      mayManage && invite(),
      element(
        "p",
        { class: "buttons" },
        mayManage && button("Link to join", () => run(link)),
        button("Leave the room", leave, { class: "danger" }),
      ),
    );
  };

  /** @param {Room} room */
  const rename = (room) => {
    const name = element("input", { name: "name", value: room.name, required: true, maxlength: 100, dir: "auto" });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      run(async () => {
        await api.renameRoom(chat.jid, name.value.trim());
        store.put({ jid: chat.jid, name: name.value.trim() });
      });
    };
    return element(
      "form",
      { class: "inline", on: { submit } },
      element("label", {}, "Name", name),
      element("button", {}, "Rename"),
    );
  };

  /**
   * @param {{jid: string, affiliation: string}} member
   * @param {boolean} mayManage
   */
  const memberItem = ({ jid, affiliation }, mayManage) => {
    const isMe = jid === store.me;
    const remove = () => run(() => api.removeMember(chat.jid, jid));
    return element(
      "li",
      {},
      element("span", { class: "name" }, element("bdi", {}, isMe ? "You" : store.nameOf(jid))),
      element("span", { class: "hint" }, element("bdi", {}, jid)),
      affiliation !== "member" && element("span", { class: "hint" }, affiliation),
      mayManage &&
        !isMe &&
        affiliation !== "owner" &&
        button("Remove", remove, { "aria-label": `Remove ${jid}` }),
    );
  };

  const invite = () => {
    const field = element("input", { name: "jid", required: true, autocomplete: "off", spellcheck: "false" });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      run(async () => {
        for (const jid of addresses(field.value, store)) await api.addMember(chat.jid, jid);
      });
    };
    return element(
      "form",
      { class: "inline", on: { submit } },
      element("label", {}, "Address", field),
      element("button", {}, "Invite"),
    );
  };

  const link = async () => {
    const { token, expires } = await api.inviteToRoom(chat.jid);
    const url = new URL(`#/join/${encodeURIComponent(token)}`, location.href).href;
    const field = element("input", { value: url, readonly: true, "aria-label": "Link to join" });
    const text = `Everybody with an account here who has this link can join the room until ${full(expires)}.`;
    showDialog("Link to join", element("p", {}, text), field);
    field.select();
  };

  const leave = async () => {
    const agrees = await ask("Leave the room", `Leave ${chat.name}? You will not see its messages any more, and come back only if you are invited.`, "Leave");
    if (!agrees) return;
    try {
      await api.removeMember(chat.jid, store.me);
      dialog.close();
      left();
    } catch (failure) {
      error.textContent = /** @type {Error} */ (failure).message;
    }
  };

  run(async () => {});
}

/**
 * Return the addresses in a text; one without a domain has that of the user, as at sign-in.
 *
 * @param {string} text
 * @param {import("../data/store.js").Store} store
 */
function addresses(text, store) {
  const domain = store.me.slice(store.me.indexOf("@"));
  const parts = text.split(/[\s,;]+/).filter(Boolean);
  return [...new Set(parts.map((part) => (part.includes("@") ? part : part + domain)))];
}
