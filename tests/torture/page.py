"""The table of docs/reliability.md."""

from __future__ import annotations

from pathlib import Path

from torture.faults import GROUPS, Fault

PATH = Path(__file__).parents[2] / "docs" / "reliability.md"

#: Everything from this heading on is made here.
HEADING = "## Faults and attacks\n"


def page(text: str) -> str:
    """Return the page with the present table."""
    kept, heading, _ = text.partition(HEADING)
    assert heading, f"{PATH} has no {HEADING!r}"
    groups = [
        f"### {group.title}\n\n| | fault or attack | what is done | what has to hold | tests |\n"
        "|---|---|---|---|---|\n" + "".join(map(_row, group.faults))
        for group in GROUPS
    ]
    return f"{kept}{HEADING}\n" + "\n".join(groups)


def _row(fault: Fault) -> str:
    files = dict.fromkeys(test.partition("::")[0] for test in fault.tests)
    tests = ", ".join(f"[{Path(file).stem}](../tests/{file})" for file in files)
    holds = fault.holds + (f" Not tried: {fault.left_out}" if fault.left_out else "")
    return f"| {fault.number} | {fault.name} | {fault.done} | {holds} | {tests} |\n"
