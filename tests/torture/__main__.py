"""Try each fault and attack of the table, and print what held; `make torture` runs it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from torture import ENDS
from torture.faults import FAULTS, GROUPS, Fault

ROOT = Path(__file__).parents[2]

#: The longest test may begin just before the deadline.
RESERVED_SECONDS = 240.0


class Results:
    """Collects what became of each test, as a plugin of pytest."""

    def __init__(self) -> None:
        #: outcome and seconds by the id of a test, without its parameters
        self.outcomes: dict[str, set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test, and each of its phases that failed."""
        name = report.nodeid.partition("[")[0].removeprefix("tests/")
        self.seconds[name] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[name].add(report.outcome)

    def of(self, test: str) -> dict[str, set[str]]:
        """Return the outcomes of a test, or of all tests of a file."""
        return {
            name: outcomes
            for name, outcomes in self.outcomes.items()
            if name == test or name.startswith(f"{test}::")
        }

    def held(self, fault: Fault) -> bool:
        """Return whether each test of a fault was run and passed."""
        return all(
            outcomes and all(outcome == {"passed"} for outcome in outcomes.values())
            for outcomes in map(self.of, fault.tests)
        )

    def line(self, fault: Fault) -> str:
        """Return a line about a fault, and one about each test that did not pass."""
        tests = {name: found for test in fault.tests for name, found in self.of(test).items()}
        seconds = sum(self.seconds[name] for name in tests)
        word = "held" if self.held(fault) else "FAILED"
        lines = [
            f"{fault.number:3}  {word:6}  {fault.name}  ({len(tests)} tests, {seconds:.0f} s)"
        ]
        lines += [f"{'':13}not run: {test}" for test in fault.tests if not self.of(test)]
        lines += [
            f"{'':13}{', '.join(sorted(found - {'passed'}))}: {name}"
            for name, found in tests.items()
            if found != {"passed"}
        ]
        return "\n".join(lines)


def in_order(tests: Iterable[str]) -> list[str]:
    """Return the paths of tests for pytest, in the order that they have in their files."""

    def place(test: str) -> tuple[str, int]:
        file, _, name = test.partition("::")
        return file, (ROOT / "tests" / file).read_text().find(f"def {name}(") if name else -1

    return [f"tests/{test}" for test in sorted(tests, key=place)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests of all rows, or of those that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="rows (all)")
    parser.add_argument("--ejabberd", default="26.07", metavar="VERSION")
    parser.add_argument("--workers", default="4", metavar="COUNT", help="tests at once (4)")
    parser.add_argument("--minutes", type=float, default=20.0, help="the longest time (20)")
    chosen = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if not chosen.numbers or fault.number in chosen.numbers]
    began = time.time()
    # Also those of the processes that run the tests.
    os.environ[ENDS] = str(began + chosen.minutes * 60 - RESERVED_SECONDS)
    os.environ["REQUIRE_ALL"] = "1"
    results = Results()
    tests = in_order({test for fault in faults for test in fault.tests})
    pytest.main(
        [
            *("--numprocesses", chosen.workers, "--dist", "loadfile", "-q"),
            *("-p", "torture.deadline", "--ejabberd", chosen.ejabberd, "--rootdir", str(ROOT)),
            *tests,
        ],
        plugins=[results],
    )
    for group in GROUPS:
        print(f"\n{group.title}")
        for fault in group.faults:
            if fault in faults:
                print(results.line(fault))
    failed = sum(not results.held(fault) for fault in faults)
    print(
        f"\n{len(faults) - failed} of {len(faults)} held,"
        f" {time.time() - began:.0f} s, ejabberd {chosen.ejabberd}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
