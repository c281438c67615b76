"""Each promise in SECURITY.md names tests that exist."""

from __future__ import annotations

import re

import pytest
from support.shell_blocks import ROOT

DOCUMENT = ROOT / "SECURITY.md"
CHAPTER = DOCUMENT.read_text().partition("\n## What is promised")[2].partition("\n## ")[0]
PROMISES = re.findall(r"^\| ([^|]+) \| (`tests/[^|]+`) \|$", CHAPTER, re.MULTILINE)


def test_every_row_of_the_table_is_a_promise_with_tests() -> None:
    rows = [line for line in CHAPTER.splitlines() if line.startswith("|")]

    assert len(PROMISES) == len(rows) - len(["the head", "the line below it"])


@pytest.mark.parametrize("promise", PROMISES, ids=[promise for promise, _ in PROMISES])
def test_tests_of_a_promise_exist(promise: tuple[str, str]) -> None:
    paths = promise[1].strip("`").split("`, `")

    assert len(set(paths)) == len(paths)
    for path in paths:
        text = (ROOT / path).read_text()
        assert re.search(r"^(async )?def test_", text, re.MULTILINE), path
