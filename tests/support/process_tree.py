"""A process and its children."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def tree(pid: int) -> list[int]:
    """Return a process, its children, their children and so on, parents first."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                pids += map(int, children.read_text().split())
    return pids


def signal_tree(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all below it, also to those that it starts meanwhile."""
    sent: set[int] = set()
    while new := [pid for pid in tree(pid) if pid not in sent]:
        for one in new:
            with suppress(ProcessLookupError):
                os.kill(one, number)
        sent.update(new)
