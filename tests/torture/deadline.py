"""A plugin of pytest: no test begins after a time, so that all of them end."""

from __future__ import annotations

import os
import time

import pytest

from torture import ENDS


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Fail a test for which no time is left."""
    if time.time() > float(os.environ[ENDS]):
        pytest.fail("no time is left: use a machine that is less busy", pytrace=False)
