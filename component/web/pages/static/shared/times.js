// Times in the zone and in the language of the reader.

const MINUTE = 60_000;

/** @param {Intl.DateTimeFormatOptions} options */
const format = (options) => new Intl.DateTimeFormat(undefined, options);

const CLOCK = format({ hour: "2-digit", minute: "2-digit" });
const FULL = format({ dateStyle: "full", timeStyle: "medium" });
const SPAN = format({ dateStyle: "medium", timeStyle: "medium" });
const DAY = format({ weekday: "long", day: "numeric", month: "long" });
const DAY_OF_YEAR = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const SHORT = format({ day: "numeric", month: "short" });
const SHORT_OF_YEAR = format({ day: "numeric", month: "short", year: "numeric" });
const WEEKDAY = format({ weekday: "short" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** @param {string} time ISO 8601 */
export const clock = (time) => CLOCK.format(new Date(time));

/** @param {string} time ISO 8601 */
export const full = (time) => FULL.format(new Date(time));

/**
 * Return the name of the time between two times.
 *
 * @param {string} from ISO 8601
 * @param {string} to ISO 8601
 */
export const span = (from, to) => SPAN.formatRange(new Date(from), new Date(to));

/**
 * Return the day of the reader in which a time is, such as 2026-01-31.
 *
 * @param {string} time ISO 8601
 */
export function dayOf(time) {
  const date = new Date(time);
  const parts = [date.getMonth() + 1, date.getDate()];
  return [date.getFullYear(), ...parts.map((part) => String(part).padStart(2, "0"))].join("-");
}

/**
 * Return the name of the day of a time: "today", "yesterday", or its date.
 *
 * @param {string} time ISO 8601
 * @param {Date} [now]
 */
export function dayName(time, now = new Date()) {
  const age = daysBetween(new Date(time), now);
  if (age === 0 || age === 1) return capital(RELATIVE.format(-age, "day"));
  const date = new Date(time);
  return (date.getFullYear() === now.getFullYear() ? DAY : DAY_OF_YEAR).format(date);
}

/**
 * Return a time as short as a list needs it: of today the clock, of this week the weekday.
 *
 * @param {string} time ISO 8601
 * @param {Date} [now]
 */
export function brief(time, now = new Date()) {
  const date = new Date(time);
  const age = daysBetween(date, now);
  if (age === 0) return CLOCK.format(date);
  if (age > 0 && age < 7) return WEEKDAY.format(date);
  return (date.getFullYear() === now.getFullYear() ? SHORT : SHORT_OF_YEAR).format(date);
}

/**
 * @param {Date} earlier
 * @param {Date} later
 */
function daysBetween(earlier, later) {
  const start = (/** @type {Date} */ date) =>
    Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((start(later) - start(earlier)) / (24 * 60 * MINUTE));
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);
