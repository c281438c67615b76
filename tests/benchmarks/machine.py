"""The machine of the measurements, and the other work on it meanwhile."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.ejabberd import ROOT

_PACKAGES = ("ejabberd", "prosody", "postgresql-15", "erlang-base", "wrk")


def describe() -> dict[str, Any]:
    """Return the day, the processor, the memory and the versions."""
    return {
        "day": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "Python": platform.python_version(),
        **{name: version for name in _PACKAGES if (version := _version(name))},
    }


def commit() -> str:
    """Return the measured commit, followed by a + if files differ from it."""
    process = subprocess.run(
        ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return process.stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        process = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return process.stdout


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Keep the interpreter of the benchmark from collecting garbage while the context is open."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
