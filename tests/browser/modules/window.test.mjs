// The window of messages, and the position of the view: after any moves of a reader, nothing is lost.

import assert from "node:assert/strict";
import test from "node:test";

import * as positioning from "../../../component/web/pages/static/chat/timeline/positioning.js";
import * as windows from "../../../component/web/pages/static/chat/timeline/window.js";

/** @param {number} seed */
function random(seed) {
  return () => {
    seed = (seed * 1664525 + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

const message = (number) => ({ id: `m${number}`, kind: "message", direction: "recv" });

/** An archive of messages by their numbers. */
class Archive {
  constructor(count) {
    this.count = count;
  }

  page(from, to) {
    const start = Math.max(0, from);
    const end = Math.min(this.count, to);
    const messages = [];
    for (let number = start; number < end; number++) messages.push(message(number));
    return { messages, atStart: start === 0, atEnd: end === this.count, gaps: [] };
  }
}

const number = (message) => Number(message.id.slice(1));

function isWhole(window, archive) {
  const numbers = window.messages.map(number);
  numbers.forEach((value, index) => index && assert.equal(value, numbers[index - 1] + 1));
  assert.ok(numbers.length <= windows.MAX);
  assert.equal(window.atEnd, numbers.at(-1) === archive.count - 1);
  assert.equal(window.atStart, numbers[0] === 0);
}

test("a window has no gap, no repetition and no more messages than allowed, whatever the reader does", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const next = random(seed);
    const archive = new Archive(200 + Math.floor(next() * 2000));
    const start = Math.floor(next() * archive.count);
    let window = archive.page(start, start + 50);
    for (let step = 0; step < 60; step++) {
      const first = number(window.messages[0]);
      const last = number(window.messages.at(-1));
      const move = next();
      if (move < 0.4 && !window.atStart) {
        window = windows.withOlder(window, { ...archive.page(first - 50, first) });
      } else if (move < 0.8 && !window.atEnd) {
        window = windows.withNewer(window, archive.page(last + 1, last + 51));
      } else {
        archive.count += 1;
        const before = window;
        window = windows.withMessage(window, message(archive.count - 1));
        if (!before.atEnd) assert.equal(window, before);
      }
      isWhole(window, archive);
    }
  }
});

test("a page that came twice changes nothing", () => {
  const archive = new Archive(100);
  const window = archive.page(0, 50);
  const twice = windows.withNewer(windows.withNewer(window, archive.page(40, 90)), archive.page(50, 90));
  assert.deepEqual(twice.messages, archive.page(0, 90).messages);
});

test("a message as it is now takes its place, and no other window", () => {
  const window = new Archive(10).page(0, 10);
  const changed = { ...message(3), body: "corrected" };
  assert.equal(windows.withChanged(window, changed).messages[3], changed);
  assert.equal(windows.withMessage(window, changed).messages.length, 10);
  assert.equal(windows.withChanged(window, { ...message(77) }), window);
});

test("the first unread message is behind the displayed one, or counted from the end", () => {
  const isOwn = (item) => item.direction === "send";
  const own = (number) => ({ ...message(number), direction: "send" });
  const messages = [message(0), own(1), message(2), message(3), own(4), message(5)];
  assert.equal(windows.firstUnread(messages, 0, "m0", isOwn), null);
  assert.equal(windows.firstUnread(messages, 3, "m0", isOwn), "m2");
  assert.equal(windows.firstUnread(messages, 2, null, isOwn), "m3");
  assert.equal(windows.firstUnread(messages, 99, "elsewhere", isOwn), "m0");
  assert.equal(windows.firstUnread([own(1)], 2, null, isOwn), null);
});

/** Boxes of rows of random heights. */
function layout(heights) {
  let top = 0;
  return heights.map(([id, height]) => {
    const box = { id, top, height };
    top += height;
    return box;
  });
}

test("a row of the view is where it was after rows came above, below, or left below", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = random(seed);
    const rows = (from, count) =>
      Array.from({ length: count }, (_, index) => [`m${from + index}`, 20 + Math.floor(next() * 200)]);
    const present = rows(100, 60);
    const old = layout(present);
    const content = old.at(-1).top + old.at(-1).height;
    const view = { top: Math.floor(next() * (content - 600)), height: 600, content };
    const anchor = positioning.anchorOf(old.length, (index) => old[index], view);
    const anchored = old.find((box) => box.id === anchor.id);
    assert.ok(anchored.top <= view.top && anchored.top + anchored.height > view.top);

    const cut = 60 - Math.floor(next() * 10);
    const now = layout([...rows(0, Math.floor(next() * 100)), ...present.slice(0, cut), ...rows(160, 5)]);
    const box = now.find((box) => box.id === anchor.id);
    if (!box) continue;
    const top = positioning.topFor(anchor, box);
    assert.equal(box.top - top, anchored.top - view.top);
  }
});

test("pages are read before the reader meets an end, and not without need", () => {
  const middle = { top: 5000, height: 600, content: 12000 };
  const both = { atStart: false, atEnd: false };
  assert.equal(positioning.neededPage(middle, both), null);
  assert.equal(positioning.neededPage({ ...middle, top: 100 }, both), "older");
  assert.equal(positioning.neededPage({ ...middle, top: 11000 }, both), "newer");
  assert.equal(positioning.neededPage({ ...middle, top: 100 }, { atStart: true, atEnd: false }), null);
  assert.equal(positioning.neededPage({ ...middle, top: 11400 }, { atStart: false, atEnd: true }), null);
});

test("a reader at the end follows new messages, and one above does not", () => {
  assert.ok(positioning.isAtEnd({ top: 1400, height: 600, content: 2000 }));
  assert.ok(positioning.isAtEnd({ top: 1390.5, height: 600, content: 2000 }));
  assert.ok(!positioning.isAtEnd({ top: 1300, height: 600, content: 2000 }));
});

test("a hit is shown a third down the view, as far as there are messages", () => {
  const view = { top: 0, height: 600, content: 5000 };
  assert.equal(positioning.topToShow({ id: "a", top: 2000, height: 50 }, view), 1800);
  assert.equal(positioning.topToShow({ id: "a", top: 50, height: 50 }, view), 0);
  assert.equal(positioning.topToShow({ id: "a", top: 4900, height: 50 }, view), 4400);
});

test("a message counts as seen when it is in the view as a whole, or fills it", () => {
  const boxes = layout([["a", 300], ["b", 300], ["c", 2000]]);
  const at = (index) => boxes[index];
  assert.equal(positioning.lastSeen(3, at, { top: 0, height: 600, content: 2600 }), 1);
  assert.equal(positioning.lastSeen(3, at, { top: 0, height: 200, content: 2600 }), 0);
  assert.equal(positioning.lastSeen(3, at, { top: 900, height: 600, content: 2600 }), 2);
  assert.equal(positioning.lastSeen(0, at, { top: 0, height: 600, content: 0 }), -1);
});

test("each gap is between the messages around it, and once", () => {
  const time = (minute) => `2026-01-01T00:${String(minute).padStart(2, "0")}:00.000000Z`;
  const at = (minute) => ({ ...message(minute), time: time(minute) });
  const gap = (from, to) => ({ from: time(from), to: to && time(to) });
  const [early, middle, late] = [gap(1, 2), gap(11, 19), gap(31, null)];
  const page = { messages: [at(10), at(20), at(30)], atStart: true, atEnd: true, gaps: [middle, late] };
  const window = windows.withGaps(page, [early, middle]);
  assert.deepEqual(windows.gapsBefore(window), [[], [middle], [], [late]]);

  const ended = windows.withGaps(window, [gap(31, 39)]);
  const later = windows.withMessage(ended, at(40));
  assert.deepEqual(windows.gapsBefore(later), [[], [middle], [], [gap(31, 39)], []]);
  assert.deepEqual(windows.gapsBefore({ ...window, atEnd: false }), [[], [middle], [], []]);
  assert.deepEqual(windows.gapsBefore({ ...windows.EMPTY, gaps: [late] }), [[]]);
});
