"""The modules of the pages whose rules need no browser, tested by Node."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "component/web/pages/static"

TESTS = sorted((HERE / "modules").glob("*.test.mjs"))


@pytest.fixture(autouse=True)
def _installed(missing: Callable[[object], NoReturn]) -> None:
    if not which("node"):
        missing("install nodejs")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
async def test_rules_of_modules_hold(path: Path) -> None:
    run = subprocess.run(["node", "--test", str(path)], capture_output=True, text=True)

    assert run.returncode == 0, run.stdout
    assert "# pass 0" not in run.stdout
