"""Running ejabberds for one test after the other, because a start takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.ejabberd import Ejabberd
from support.releases import Release

#: The maximum number of idle ejabberds, which wait for the next test; each takes 130 MB.
MAX_IDLE = 2

_idle: list[Ejabberd] = []


@contextmanager
def lent_ejabberd(folder: Path, release: Release) -> Iterator[Ejabberd]:
    """Lend an ejabberd with the configuration of the example: an idle or a new one.

    The borrower may stop, freeze and kill it. Accounts and rooms of earlier tests may exist.
    """
    ejabberd = next((idle for idle in _idle if idle.release == release), None)
    if ejabberd is None:
        ejabberd = Ejabberd(folder, release)
        ejabberd.__enter__()
    else:
        _idle.remove(ejabberd)
    try:
        yield ejabberd
    finally:
        _take_back(ejabberd)


def _take_back(ejabberd: Ejabberd) -> None:
    if ejabberd.is_running:
        ejabberd.resume()
        _idle.append(ejabberd)
    while len(_idle) > MAX_IDLE:
        _idle.pop(0).kill()


def stop_idle() -> None:
    """Stop all idle ejabberds."""
    while _idle:
        _idle.pop().kill()
