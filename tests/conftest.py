"""A missing server is no reason to skip a test where everything has to be tested."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

import pytest


def is_everything_required() -> bool:
    """Whether a test that cannot run counts as one that failed."""
    return os.environ.get("REQUIRE_ALL") == "1" or os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def missing() -> Callable[[object], NoReturn]:
    """Return what to call when something a test needs is not installed."""

    def give_up(what: object) -> NoReturn:
        if is_everything_required():
            pytest.fail(f"everything is required here: {what}")
        pytest.skip(str(what))

    return give_up
