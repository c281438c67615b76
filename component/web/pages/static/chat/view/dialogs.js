// Dialogs: the browser keeps the focus in them, closes them by Escape, and gives the focus back.

import { button, element } from "../../shared/dom.js";
import { icon } from "../../shared/icons.js";

let number = 0;

/**
 * Open a dialog, which is removed once it is closed.
 *
 * @param {string} title
 * @param {...(Node | string)} content
 * @returns {HTMLDialogElement}
 */
export function showDialog(title, ...content) {
  const id = `dialog-${++number}`;
  const heading = element("h2", { id }, title);
  const close = button(icon("close"), () => dialog.close(), { class: "close", "aria-label": "Close" });
  const dialog = element(
    "dialog",
    {
      "aria-labelledby": id,
      on: {
        close: () => dialog.remove(),
        click: (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
      },
    },
    element("div", { class: "dialog" }, element("header", {}, heading, close), ...content),
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Ask a question, and return whether the user agrees.
 *
 * @param {string} title
 * @param {string} text
 * @param {string} agreement the text of the button
 * @returns {Promise<boolean>}
 */
export function ask(title, text, agreement) {
  return new Promise((resolve) => {
    let agrees = false;
    const agree = button(agreement, () => {
      agrees = true;
      dialog.close();
    }, { class: "danger" });
    const refuse = button("Cancel", () => dialog.close());
    const dialog = showDialog(
      title,
      element("p", {}, text),
      element("p", { class: "buttons" }, refuse, agree),
    );
    dialog.addEventListener("close", () => resolve(agrees));
    refuse.focus();
  });
}

/**
 * Open a dialog with a form. It stays open, with the error, if `submit` fails.
 *
 * @param {string} title
 * @param {(Node | string)[]} fields
 * @param {string} action the text of the button
 * @param {(data: FormData) => Promise<void>} submit
 */
export function showForm(title, fields, action, submit) {
  const error = element("p", { class: "error", role: "alert" });
  const send = element("button", { class: "primary" }, action);
  const form = element(
    "form",
    {
      on: {
        submit: async (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          error.textContent = "";
          send.disabled = true;
          try {
            await submit(new FormData(form));
            dialog.close();
          } catch (failure) {
            error.textContent = /** @type {Error} */ (failure).message;
          } finally {
            send.disabled = false;
          }
        },
      },
    },
    ...fields,
    error,
    element("p", { class: "buttons" }, button("Cancel", () => dialog.close()), send),
  );
  const dialog = showDialog(title, form);
  form.querySelector("input, textarea")?.focus();
  return dialog;
}

const KEYS = [
  ["Ctrl+K", "Switch to another conversation, or find people"],
  ["?", "This help"],
  ["/", "Search in the conversation, or in all of them"],
  ["Enter", "Send the message; on a message of the list: what you can do with it"],
  ["Shift+Enter", "A new line"],
  ["↑", "While nothing is written: edit your last message; in lists: the one above"],
  ["↓", "In lists: the one below"],
  ["End", "In the list of messages: the newest ones"],
  ["Escape", "Close; from the list of messages: back to writing"],
  ["F6", "Next part of the page: conversations, messages, writing"],
];

/** Show the keys that the page knows. */
export function showHelp() {
  const rows = KEYS.map(([key, purpose]) =>
    element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, purpose)),
  );
  showDialog("Keyboard shortcuts", element("dl", { class: "keys" }, ...rows));
}
