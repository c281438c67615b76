// Sign-in, and where everybody may, sign-up.

import { button, element, fill } from "../../shared/dom.js";
import { ApiError } from "../data/session.js";

/** The names of the API for the fields of the form, at the beginning of a refusal. */
const FIELDS = { jid: "Address", password: "Password", name: "Name" };

/**
 * Show the form, and return when somebody has signed in.
 *
 * @param {import("../data/session.js").Session} session
 * @param {{domain: string, signUp: boolean, notice?: string}} options
 * @returns {Promise<void>}
 */
export function signIn(session, options) {
  return new Promise((resolve) => show(session, options, false, resolve));
}

/**
 * @param {import("../data/session.js").Session} session
 * @param {{domain: string, signUp: boolean, notice?: string}} options
 * @param {boolean} isNew whether the account is made first
 * @param {() => void} done
 */
function show(session, options, isNew, done) {
  const { domain, signUp, notice = "" } = options;
  const title = isNew ? "Create an account" : "Sign in";
  const error = element("p", { class: "error", role: "alert" }, notice);
  const send = element("button", { class: "primary" }, title);
  const jid = element("input", {
    name: "jid",
    required: true,
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    inputmode: "email",
    "aria-describedby": "jid-hint",
  });
  const password = element("input", {
    name: "password",
    type: "password",
    required: true,
    autocomplete: isNew ? "new-password" : "current-password",
    "aria-describedby": isNew ? "password-hint" : null,
  });
  const passwordHint = element("p", { id: "password-hint", class: "hint" });
  if (isNew) showRules(session, passwordHint);
  const name = element("input", { name: "name", maxlength: 100, autocomplete: "name", dir: "auto" });
  const stays = element("input", { name: "stays", type: "checkbox" });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    error.textContent = "";
    send.disabled = true;
    try {
      const address = jid.value.includes("@") ? jid.value.trim() : `${jid.value.trim()}@${domain}`;
      const fields = { jid: address, password: password.value, name: name.value.trim() };
      if (isNew) await session.signUp(fields, stays.checked);
      else await session.signIn(address, password.value, stays.checked);
      done();
    } catch (failure) {
      const isRefused = failure instanceof ApiError && failure.status === 401;
      error.textContent = isRefused
        ? "The address or the password is wrong."
        : readable(/** @type {Error} */ (failure).message);
      password.select();
    } finally {
      send.disabled = false;
    }
  };
  const other = isNew ? "Sign in with an account" : "Create an account";
  fill(
    document.body,
    element(
      "main",
      { class: "sign-in" },
      element("h1", {}, title),
      element(
        "form",
        { on: { submit } },
        element("label", {}, "Address", jid),
        element("p", { id: "jid-hint", class: "hint" }, `For example alice@${domain}. Without an @ it is at ${domain}.`),
        isNew && element("label", {}, "Name that others see", name),
        element("label", {}, "Password", password),
        isNew && passwordHint,
        element("label", { class: "check" }, stays, "Stay signed in"),
        error,
        send,
      ),
      signUp &&
        button(other, () => show(session, { domain, signUp }, !isNew, done), { class: "link" }),
    ),
  );
  jid.focus();
}

/**
 * Show which passwords a new account may have.
 *
 * @param {import("../data/session.js").Session} session
 * @param {HTMLElement} hint
 */
async function showRules(session, hint) {
  try {
    const { password_min: min, password_max: max } = await session.signUpRules();
    hint.textContent = `${min} to ${max} characters, without the name in your address.`;
  } catch {
    // The form works without it: a refusal says the same.
  }
}

/**
 * Return a refusal of the API in the words of the form.
 *
 * @param {string} message
 */
function readable(message) {
  return message.replace(/^(jid|password|name):/, (_, name) => `${FIELDS[/** @type {"jid"} */ (name)]}:`);
}
