"""The environment, the releases of ejabberd, and the fixtures and profiles of all tests."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from argon2 import PasswordHasher
from hypothesis import settings
from support import matrix
from support.command import preloading
from support.ejabberd import Ejabberd

from component.core.accounts import verifiers

pytest_plugins = ["support.stores"]


def is_everything_required() -> bool:
    """Return whether a test that cannot run has to fail instead of being skipped."""
    return os.environ.get("REQUIRE_ALL") == "1" or os.environ.get("CI") == "true"


# What is collected is never garbage, and collections of garbage would take a fifth of the time.
gc.disable()

# No test trusts a public certificate. Each Muniment would take 0.1 s to read all of them.
os.environ["SSL_CERT_FILE"] = os.devnull

# At its full cost, which the processes of Muniment have, Argon2id takes 30 ms for each password.
verifiers.hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)

settings.register_profile("default", deadline=None)
settings.register_profile("big", deadline=None, max_examples=5000)
# The whole suite tries the same examples at each run, so that more of them would find nothing new.
settings.register_profile("whole", deadline=None, derandomize=True, max_examples=50)
_default = "whole" if is_everything_required() else "default"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _default))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the versions of ejabberd."""
    matrix.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks that select versions of ejabberd."""
    matrix.declare_marks(config)


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


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep modules and tests out of the collections of garbage, which take a tenth of the time."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 20, 10)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Restore the logging after a test, because a program that runs in it configures logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def _fast_programs() -> Iterator[None]:
    """Let our command start fast, and ejabberd end fast."""
    Ejabberd.is_orderly = False
    with preloading():
        yield


@pytest.fixture(scope="session")
def missing() -> Callable[[object], NoReturn]:
    """Return a function that fails or skips a test which needs something that is not installed."""

    def give_up(subject: object) -> NoReturn:
        if is_everything_required():
            pytest.fail(f"everything is required here: {subject}")
        pytest.skip(str(subject))

    return give_up
