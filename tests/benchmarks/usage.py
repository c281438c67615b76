"""CPU time and memory of programs with all their children, read from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from support.process_tree import tree

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024  # /proc counts in KiB

#: The names of the figures about memory, with the files and fields of /proc that have them.
_MEMORY = (
    ("rss", "smaps_rollup", "Rss"),
    ("pss", "smaps_rollup", "Pss"),
    ("peak", "status", "VmHWM"),
)

_MACHINE, _OURSELVES = "the machine", "ourselves"


class Meter:
    """Measures the CPU time of some programs, and of all others on the machine, from now on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._resident = memory(pids)
        self._before = self._read()
        self._begun = time.perf_counter()

    def spent(self) -> dict[str, float]:
        """Return the CPU seconds of each program."""
        now = self._read()
        return {name: now[name] - self._before[name] for name in self._pids}

    def noise(self) -> float:
        """Return the share of the machine's CPU time that all other programs used."""
        now = self._read()
        spent = {name: after - self._before[name] for name, after in now.items()}
        ours = sum(spent.values()) - spent[_MACHINE]
        elapsed = time.perf_counter() - self._begun
        return max(0.0, spent[_MACHINE] - ours) / elapsed / (os.cpu_count() or 1)

    def memory(self) -> dict[str, float]:
        """Return the resident memory of each program now, and as `before_` when this began."""
        before = {f"before_{name}": self._resident[f"rss_{name}"] for name in self._pids}
        return memory(self._pids) | before

    def _read(self) -> dict[str, float]:
        seconds = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        return seconds | {_MACHINE: sum(busy_seconds()), _OURSELVES: time.process_time()}


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a program, its children, and those of them that have ended."""
    return sum(sum(map(int, _stat(process)[11:15])) for process in tree(pid)) / _TICKS


def memory(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the resident memory of some programs with their children, in MiB.

    `rss` counts what several processes share once for each, `pss` once in all. `peak` is the
    highest `rss` of each process since it was started.
    """
    return {
        f"{name}_{program}": sum(_field(process, file, field) for process in tree(pid)) / _MIB
        for program, pid in pids.items()
        for name, file, field in _MEMORY
    }


def busy_seconds() -> tuple[float, float]:
    """Return the CPU time that the machine has spent working, and that was taken from it."""
    fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) / _TICKS, steal / _TICKS


def _stat(pid: int) -> list[str]:
    """Return the fields behind the command, from the state on; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _field(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
