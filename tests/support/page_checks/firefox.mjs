// Two people chat in Firefox. The arguments are the address of the page, and the JID and password of
// each of them. It exits with 0 if both saw what they had to see, and the browser had nothing to say.

import puppeteer from "puppeteer-core";

const SECONDS = 30;

const [url, ...signIns] = process.argv.slice(2);

/** What went wrong on any page: errors, and violations of the policy. */
const problems = [];

const browser = await puppeteer.launch({ browser: "firefox", executablePath: "/usr/bin/firefox-esr" });

/** Opens the page in a profile of its own, and signs in by the keyboard. */
async function signIn(jid, password) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(SECONDS * 1000);
  page.on("pageerror", (error) => problems.push(`script: ${error}`));
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warn") problems.push(`console: ${line.text()}`);
  });
  await page.evaluateOnNewDocument(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await page.goto(url);
  await page.waitForSelector("input:focus");
  await page.keyboard.type(jid);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("nav");
  return page;
}

async function open(page, jid) {
  await page.bringToFront();
  await page.evaluate((to) => { location.hash = to; }, `#/chat/${jid}`);
  await page.waitForSelector(`#conversation[data-jid="${jid}"][data-state="ready"]`);
}

async function say(page, text) {
  await page.bringToFront();
  await page.focus("#composer");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** Returns when a row has a text, and an element if there is to be one. A tab behind another one shows nothing. */
async function sees(page, text, selector = "") {
  await page.bringToFront();
  const found = (text, selector) =>
    [...document.querySelectorAll("li.row")].some(
      (row) => row.textContent.includes(text) && (!selector || row.querySelector(selector)),
    );
  await page.waitForFunction(found, {}, text, selector);
}

try {
  const [ann, annPassword, ben, benPassword] = signIns;
  const [hers, his] = [await signIn(ann, annPassword), await signIn(ben, benPassword)];
  await open(hers, ben);
  await open(his, ann);
  await say(hers, "Hello <b>Ben</b>");
  await sees(his, "Hello <b>Ben</b>");
  await say(his, "Hello Ann");
  await sees(hers, "Hello Ann");
  await sees(hers, "Hello <b>Ben</b>", ".mark.displayed");
  await his.bringToFront();
  await his.keyboard.press("ArrowUp");
  await say(his, "Hello dear Ann");
  await sees(hers, "Hello dear Ann", ".status .link");
  await hers.reload();
  await sees(hers, "Hello dear Ann");
  const rows = await hers.$$eval("li.row", (all) => all.length);
  if (rows !== 2) problems.push(`${rows} rows`);
} catch (error) {
  problems.push(/** @type {Error} */ (error).stack);
} finally {
  await browser.close();
}
if (problems.length) {
  console.error(problems.join("\n"));
  process.exitCode = 1;
}
