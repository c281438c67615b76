// The keys that move between the hits of a search on the operators' pages.

import assert from "node:assert/strict";
import test from "node:test";

import { moved } from "../../../component/web/pages/static/operators/hits.js";

test("the first key goes to the first or to the last hit", () => {
  assert.equal(moved(-1, 1, 5), 0);
  assert.equal(moved(-1, -1, 5), 4);
});

test("keys stop at the ends", () => {
  assert.deepEqual([moved(0, 1, 2), moved(1, 1, 2), moved(1, -1, 2), moved(0, -1, 2)], [1, 1, 0, 0]);
});
