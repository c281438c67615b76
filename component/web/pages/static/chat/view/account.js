// The account of the user: name and picture, appearance, sign-out.

import { button, element } from "../../shared/dom.js";
import { setTheme, theme, THEMES } from "../../shared/theme.js";
import { showDialog, showHelp } from "./dialogs.js";

const NAMES = { auto: "Same as the system", light: "Light", dark: "Dark" };

/**
 * Open the dialog about the account.
 *
 * @param {import("../data/api.js").Api} api
 * @param {import("./avatars.js").Avatars} avatars
 * @param {() => void} signOut
 */
export function showAccount(api, avatars, signOut) {
  const { jid } = api.session;
  const themes = element(
    "fieldset",
    {},
    element("legend", {}, "Appearance"),
    ...THEMES.map((name) =>
      element(
        "label",
        { class: "check" },
        element("input", {
          type: "radio",
          name: "theme",
          value: name,
          checked: theme() === name,
          on: { change: () => setTheme(name) },
        }),
        NAMES[name],
      ),
    ),
  );
  const dialog = showDialog(
    "Your account",
    element("p", { class: "hint" }, element("bdi", {}, jid)),
    profile(api, avatars),
    themes,
    element(
      "p",
      { class: "buttons" },
      button("Keyboard shortcuts", () => {
        dialog.close();
        showHelp();
      }),
      button("Sign out", () => {
        dialog.close();
        signOut();
      }),
    ),
  );
}

/**
 * @param {import("../data/api.js").Api} api
 * @param {import("./avatars.js").Avatars} avatars
 */
function profile(api, avatars) {
  const { jid } = api.session;
  const status = element("p", { class: "hint", role: "status" });
  const name = element("input", { name: "name", maxlength: 100, autocomplete: "name", dir: "auto" });
  const picture = element("input", { type: "file", accept: "image/png,image/jpeg,image/gif,image/webp" });
  const run = async (/** @type {() => Promise<unknown>} */ action, /** @type {string} */ done) => {
    status.textContent = "Saving…";
    try {
      await action();
      avatars.forget(jid);
      status.textContent = done;
    } catch (error) {
      status.textContent = /** @type {Error} */ (error).message;
    }
  };
  api.profile().then(
    (profile) => {
      name.value = profile.name ?? "";
    },
    (error) => {
      status.textContent = error.message;
    },
  );
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    run(() => api.setName(name.value.trim()), "Your name is saved.");
  };
  picture.addEventListener("change", () => {
    const file = picture.files?.[0];
    if (file) run(() => api.setAvatar(file), "Your picture is saved.");
  });
  return element(
    "form",
    { on: { submit: save } },
    element("label", {}, "Name that others see", name),
    element("button", {}, "Save the name"),
    element("label", {}, "Picture", picture),
    button("Remove the picture", () => run(() => api.setAvatar(null), "You have no picture now.")),
    status,
  );
}
