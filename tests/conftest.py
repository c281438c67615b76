"""How hard tests try, and on which releases of ejabberd."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import settings
from support import matrix


def is_everything_required() -> bool:
    """Whether a test that cannot run counts as one that failed."""
    return os.environ.get("REQUIRE_ALL") == "1" or os.environ.get("CI") == "true"


settings.register_profile("default", deadline=None)
settings.register_profile("big", deadline=None, max_examples=5000)
# The whole suite says the same of the same code, whenever it is run.
settings.register_profile("whole", deadline=None, derandomize=True)
_default = "whole" if is_everything_required() else "default"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _default))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the versions of ejabberd be named."""
    matrix.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of tests that run on each version."""
    config.addinivalue_line("markers", f"{matrix.MARK}: runs on every version of ejabberd")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests that need an ejabberd once with each version."""
    matrix.parametrize(metafunc, is_everything_required=is_everything_required())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Let the releases of ejabberd be tested side by side, also by the tests of one file."""
    return matrix.scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests that worker processes share."""
    if hasattr(config, "workerinput"):
        matrix.sort_for_workers(items)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Put logging back as a test found it: a program that it ran here has set its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def missing() -> Callable[[object], NoReturn]:
    """Return what to call when something a test needs is not installed."""

    def give_up(what: object) -> NoReturn:
        if is_everything_required():
            pytest.fail(f"everything is required here: {what}")
        pytest.skip(str(what))

    return give_up
