"""Each case of the test suites of peers is one of our tests, or has a reason why not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PEERS = TESTS / "integration" / "peers"

_ROW = re.compile(r"\| `(?P<case>\w+)` \| (?P<reason>[^|]+) \|")


def cases() -> list[str]:
    lines = (PEERS / "cases.txt").read_text().splitlines()
    return [line for line in lines if line and line[0] not in "#["]


def excused() -> dict[str, str]:
    lines = (PEERS / "README.md").read_text().splitlines()
    return {row["case"]: row["reason"] for line in lines if (row := _ROW.fullmatch(line))}


def own_tests() -> Iterator[str]:
    for folder in (PEERS, TESTS / "conformance" / "peers"):
        for path in folder.glob("test_*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield node.name


def test_no_case_is_listed_twice() -> None:
    assert sorted(set(cases())) == sorted(cases())


def test_each_case_is_a_test_or_has_a_reason() -> None:
    names, reasons = set(own_tests()), excused()

    assert [case for case in cases() if f"test_{case}" not in names and case not in reasons] == []


def test_case_with_a_reason_is_listed_and_no_test() -> None:
    names, listed = set(own_tests()), set(cases())

    assert [case for case in excused() if f"test_{case}" in names or case not in listed] == []
