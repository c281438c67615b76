// Texts of strangers: which words are links, what a search marks, what a correction names.

import assert from "node:assert/strict";
import test from "node:test";

import { replacedId } from "../../../component/web/pages/static/chat/data/api.js";
import { statuses } from "../../../component/web/pages/static/chat/timeline/statuses.js";
import { excerpt } from "../../../component/web/pages/static/chat/view/search.js";
import { marksOf, parts, safe } from "../../../component/web/pages/static/shared/text.js";
import { brief, dayName, dayOf } from "../../../component/web/pages/static/shared/times.js";

const links = (text) => parts(text).filter((part) => part.link);

test("addresses of four kinds are links, and nothing else is", () => {
  for (const address of ["https://a.example/x?y=1#z", "http://a.example", "xmpp:a@b.example?join", "mailto:a@b.example"]) {
    assert.equal(links(`see ${address} there`)[0].text, address);
  }
  for (const text of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "ftp://a.example", "www.a.example", "http://", "jAvAsCrIpT:alert(1)"]) {
    assert.deepEqual(links(`see ${text} there`), []);
  }
  assert.equal(safe(" javascript:alert(1)"), null);
});

test("the end of a sentence is not a part of an address", () => {
  assert.equal(links("See https://a.example/b.")[0].text, "https://a.example/b");
  assert.equal(links("(https://a.example/b)")[0].text, "https://a.example/b");
  assert.equal(links("https://a.example/b_(c)")[0].text, "https://a.example/b_(c)");
  assert.equal(links("<https://a.example/b>!")[0].text, "https://a.example/b");
});

test("no character that turns the direction of writing is in an address", () => {
  const [link] = links("https://a.example/\u202Egpj.exe");
  assert.equal(link.text, "https://a.example/");
});

test("a word of sixty thousand dots and letters is no link", () => {
  assert.deepEqual(links(`https://a.example/${".".repeat(60000)}x`), []);
});

test("the parts of a text are the text", () => {
  for (const text of ["", "a", "https://a.example", "x https://a.example y http://b.example/) z", "<img src=x onerror=alert(1)>", "a".repeat(70000)]) {
    assert.equal(parts(text, marksOf("a x")).map((part) => part.text).join(""), text);
  }
});

test("a search marks words, phrases and beginnings, and no pattern in them has a meaning", () => {
  const marked = (text, search) =>
    parts(text, marksOf(search)).filter((part) => part.mark).map((part) => part.text);
  assert.deepEqual(marked("Plans of the town hall", "plans hall"), ["Plans", "hall"]);
  assert.deepEqual(marked("the town  hall, a town", '"town hall"'), ["town  hall"]);
  assert.deepEqual(marked("planning", "plan*"), ["plan"]);
  assert.deepEqual(marked("a.b axb", "a.b"), ["a.b"]);
  assert.deepEqual(marked("(((", "((("), ["((("]);
  assert.equal(marksOf('  "" * '), null);
});

test("a long text is shown around its first mark", () => {
  const text = `${"x ".repeat(500)}needle ${"y ".repeat(500)}`;
  const shown = excerpt(text, marksOf("needle"));
  assert.ok(shown.startsWith("…") && shown.endsWith("…") && shown.includes("needle"));
  assert.equal(excerpt("short", null), "short");
});

test("a stanza names the message that it corrects", () => {
  assert.equal(replacedId("<message><replace xmlns='urn:xmpp:message-correct:0' id='a1'/></message>"), "a1");
  assert.equal(replacedId('<message><replace id="a1" xmlns="urn:xmpp:message-correct:0"/></message>'), "a1");
  assert.equal(replacedId("<message><replace xmlns='other' id='a1'/></message>"), null);
  assert.equal(replacedId("<message><body>&lt;replace id='x'&gt;</body></message>"), null);
});

test("a marker stands for all messages of the user before it", () => {
  const own = (id, receipts = []) => ({ id, own: true, receipts });
  const found = statuses(
    [own("a"), own("b", [{ state: "displayed" }]), own("c", [{ state: "received" }]), own("d")],
    (message) => message.own,
  );
  assert.deepEqual([...found.entries()].sort(), [["a", "displayed"], ["b", "displayed"], ["c", "received"], ["d", "sent"]]);
});

test("days have names that a reader expects", () => {
  const now = new Date(2026, 2, 10, 0, 30);
  const at = (...parts) => new Date(...parts).toISOString();
  assert.equal(dayName(at(2026, 2, 10, 0, 10), now), "Today");
  assert.equal(dayName(at(2026, 2, 9, 23, 50), now), "Yesterday");
  assert.match(dayName(at(2026, 2, 8, 12), now), /March/);
  assert.match(dayName(at(2025, 2, 8, 12), now), /2025/);
  assert.notEqual(dayOf(at(2026, 2, 9, 23, 59)), dayOf(at(2026, 2, 10, 0, 0)));
  assert.match(brief(at(2026, 2, 10, 0, 10), now), /:/);
  assert.doesNotMatch(brief(at(2026, 2, 6, 0, 10), now), /\d/);
});
