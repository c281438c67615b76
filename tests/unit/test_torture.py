"""The table of faults names tests that exist, and the check of archives finds what is wrong."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from torture.__main__ import Results
from torture.faults import FAULTS, Fault
from torture.load import Load
from torture.page import PATH, page

TESTS = Path(__file__).parents[1]

SAID = {"one": 1_000_000, "two": 20_000_000, "three": 30_000_000}


def names(path: Path) -> set[str]:
    """Return the names of the tests of a file."""
    body = ast.parse(path.read_text()).body
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in body if isinstance(node, functions)}


def test_there_are_fifty_five_faults() -> None:
    assert [fault.number for fault in FAULTS] == [*range(1, 56)]
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number}")
def test_each_test_of_a_fault_exists(fault: Fault) -> None:
    assert fault.tests
    for test in fault.tests:
        file, _, name = test.partition("::")
        assert name in names(TESTS / file) or (not name and (TESTS / file).is_file()), test


def test_each_test_of_torture_is_in_the_table() -> None:
    named = {test for fault in FAULTS for test in fault.tests}

    assert [
        f"torture/{path.name}::{name}"
        for path in (TESTS / "torture").glob("test_*.py")
        for name in sorted(names(path))
        if name.startswith("test_") and f"torture/{path.name}::{name}" not in named
    ] == []


def test_page_has_the_table() -> None:
    text = PATH.read_text()

    assert page(text) == text, "run `make generated`"


@pytest.fixture
def history() -> Load:
    """A history of three messages and two posts."""
    nobody: Any = None
    return Load(nobody, nobody, nobody, nobody, dict(SAID), {0: ["post 0 0", "post 0 1"]})


def test_archive_that_has_everything_passes(history: Load) -> None:
    history.check_talk(["one", "two", "three"], [])
    history.check_posts(["post 0 0", "post 0 1"])


def test_unanswered_post_may_be_stored(history: Load) -> None:
    history.check_posts(["post 0 0", "post 0 1", "post 0 2"])


@pytest.mark.parametrize(
    "stored",
    [["one", "three"], ["one", "two", "two", "three"], ["two", "one", "three"], []],
    ids=["missing", "twice", "out of order", "empty"],
)
def test_wrong_archive_of_a_talk_is_found(history: Load, stored: list[str]) -> None:
    with pytest.raises(AssertionError):
        history.check_talk(stored, [(40_000_000, 50_000_000)])


def test_message_may_be_missing_in_a_gap_alone(history: Load) -> None:
    history.check_talk(["one", "three"], [(19_000_000, 21_000_000)])


@pytest.mark.parametrize(
    "stored",
    [
        ["post 0 0"],
        ["post 0 0", "post 0 0", "post 0 1"],
        ["post 0 1", "post 0 0"],
        ["post 0 0", "post 0 1", "post 0 3"],
    ],
    ids=["missing", "twice", "out of order", "never sent"],
)
def test_wrong_archive_of_posts_is_found(history: Load, stored: list[str]) -> None:
    with pytest.raises(AssertionError):
        history.check_posts(stored)


@pytest.mark.parametrize(
    ("outcomes", "holds"),
    [({"passed"}, True), ({"passed", "failed"}, False), ({"skipped"}, False), (set(), False)],
)
def test_fault_is_withstood_if_each_of_its_tests_was_run_and_passed(
    outcomes: set[str], holds: bool
) -> None:
    fault = Fault(number=1, name="a", done="b", holds="c", tests=("unit/test_a.py",))
    results = Results()
    results.outcomes["unit/test_a.py::test_b"] |= outcomes

    assert results.held(fault) is holds
    assert ("FAILED" in results.line(fault)) is not holds


def test_fault_whose_tests_were_not_run_is_named() -> None:
    fault = Fault(number=1, name="a", done="b", holds="c", tests=("unit/test_a.py",))

    assert "not run: unit/test_a.py" in Results().line(fault)
