// Dark or light: as the system says, or as the user has chosen.

const KEY = "muniment-theme";

export const THEMES = /** @type {const} */ (["auto", "light", "dark"]);

/** @returns {string} */
export function theme() {
  const stored = localStorage.getItem(KEY) ?? "auto";
  return /** @type {readonly string[]} */ (THEMES).includes(stored) ? stored : "auto";
}

/** @param {string} chosen */
export function setTheme(chosen) {
  localStorage.setItem(KEY, chosen);
  applyTheme();
}

/** Show the page in the chosen theme. */
export function applyTheme() {
  document.documentElement.dataset.theme = theme();
}
