"""The modules of the pages: their types, and by Node the rules that need no browser."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
CHECKS = HERE.parent / "support/page_checks"

TSC = CHECKS / "node_modules/.bin/tsc"

TESTS = sorted((HERE / "modules").glob("*.test.mjs"))


@pytest.fixture(autouse=True)
def _installed(missing: Callable[[object], NoReturn]) -> None:
    if not which("node") or not TSC.exists():
        missing(f"install nodejs and the npm packages of {CHECKS}")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
async def test_rules_of_modules_hold(path: Path) -> None:
    run = subprocess.run(["node", "--test", str(path)], capture_output=True, text=True)

    assert run.returncode == 0, run.stdout
    assert "# pass 0" not in run.stdout


async def test_types_in_comments_of_modules_are_right() -> None:
    run = subprocess.run([str(TSC), "-p", str(CHECKS)], capture_output=True, text=True)

    assert run.returncode == 0, run.stdout
