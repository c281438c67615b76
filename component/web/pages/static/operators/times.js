// Shows the times of a page in the reader's zone, with the time in UTC as a tooltip.

const format = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "medium",
});

/**
 * Write each <time> with a time of day in the zone of the browser.
 *
 * @param {Document} page
 */
export function showLocalTimes(page) {
  for (const element of page.querySelectorAll("time")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    element.title = element.textContent ?? "";
    element.textContent = format.format(moment);
  }
}
