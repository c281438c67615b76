// The presence of the user: available while the page is open, and away while nobody looks at it.
//
// It also keeps the connection of the user, without which nobody's chat states arrive.

/** Milliseconds between two notes to the server, which closes a connection after ten minutes. */
const EVERY = 4 * 60_000;

/** Milliseconds without a look at the page after which the user is away. */
const AWAY_AFTER = 5 * 60_000;

/**
 * Tell the server of the presence until the signal comes.
 *
 * @param {import("./api.js").Api} api
 * @param {AbortSignal} signal
 */
export function showPresence(api, signal) {
  let awayTimer = 0;
  let isAway = false;
  const tell = () => api.presence(isAway ? "away" : null).catch(() => {});
  const set = (/** @type {boolean} */ away) => {
    if (away === isAway) return;
    isAway = away;
    tell();
  };
  const look = () => {
    clearTimeout(awayTimer);
    if (document.visibilityState === "visible") set(false);
    else awayTimer = setTimeout(() => set(true), AWAY_AFTER);
  };
  const ticker = setInterval(tell, EVERY);
  document.addEventListener("visibilitychange", look, { signal });
  signal.addEventListener("abort", () => {
    clearInterval(ticker);
    clearTimeout(awayTimer);
  });
  tell();
}
