"""docs/doctor.md lists the checks that there are, and the exit codes of the command."""

from __future__ import annotations

import re
from pathlib import Path

from component.cli.doctor import EPILOG
from component.core.doctor.checks import IDS

PAGE = (Path(__file__).parents[2] / "docs/doctor.md").read_text()


def test_each_check_is_listed() -> None:
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", PAGE, re.M)) == IDS


def test_each_exit_code_is_listed() -> None:
    assert re.findall(r"^\| (\d+) \|", PAGE, re.M) == re.findall(r"^  (\d+)  ", EPILOG, re.M)
