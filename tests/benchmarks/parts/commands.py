"""Commands of ejabberd's API: by Muniment, and by ejabberd's own mod_http_api, in turns.

A caller calls a command once in each way, then again, in a random order. So a slow moment of the
machine affects all of them. At Muniment the caller shows a password. At ejabberd it shows the same
password, or none, as Muniment itself: then the difference is all that Muniment adds.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any

from aiohttp import ClientSession, encode_basic_auth
from support.ejabberd import Account, replaced
from support.muniment import Muniment
from support.ports import LOOPBACK, free_port
from support.program import Failed

from benchmarks.contenders import D
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn, percentile
from benchmarks.servers.ejabberd import HOST, BenchmarkedEjabberd
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace

PART = "commands"

#: Calls of ejabberd's own API, by how they authenticate.
BY_PASSWORD, BY_ADDRESS = "mod_http_api, by password", "mod_http_api, by address"

WARM_CALLS = 50

ADMIN = Account("admin", HOST, "benchmark-password")
FRIEND = Account("friend", HOST, "benchmark-password")

#: The measured commands and their arguments: two that read, one that sends. A headline is not
#: stored for a user who is offline.
COMMANDS: Mapping[str, Mapping[str, Any]] = {
    "status": {},
    "get_roster": {"user": FRIEND.user, "host": HOST},
    "send_message": {
        "type": "headline",
        "from": ADMIN.jid,
        "to": FRIEND.jid,
        "subject": "",
        "body": "A message of the benchmark",
    },
}

#: Lines that follow others of the example. Since 26.07 callers need the access rule `configure`.
_ADDITIONS = {
    "      /ws: ejabberd_http_ws\n": "      /api: mod_http_api\n",
    "\naccess_rules:\n": f"  configure:\n    allow:\n      user: {ADMIN.jid}\n",
    "\nmodules:\n": "  mod_admin_extra: {}\n  mod_muc_admin: {}\n",
}
_OPTIONS = f"""\
api_permissions:
  "the benchmark":
    from: mod_http_api
    who: {{ip: 127.0.0.1/32}}
    what: "*"
  "callers of the benchmark":
    from: mod_http_api
    who: {{user: {ADMIN.jid}}}
    what: "*"
"""


class _Ejabberd(BenchmarkedEjabberd):
    """The ejabberd of the benchmarks, with its HTTP API."""

    def _config(self) -> str:
        changes = {line: f"{line}{addition}" for line, addition in _ADDITIONS.items()}
        return replaced(super()._config(), changes)


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Measure each command in every round, with both servers running."""
    for number in range(plan.rounds):
        with space.fresh(PART) as folder, _servers(folder) as (urls, pids):
            for command in plan.order(PART, number, COMMANDS):
                meter = Meter(pids)
                chance = random.Random(f"{plan.seed} {command} {number}")  # noqa: S311 - no secret
                seconds = await _times(urls, command, plan.commands, chance)
                others = {"others_cpu": meter.noise()}
                for key in (BY_PASSWORD, BY_ADDRESS):
                    yield of_turn(PART, key, number, _figures(seconds[key]), command)
                ours = seconds[D.key]
                figures = _figures(ours) | _added(ours, seconds[BY_ADDRESS]) | others
                figures["added_to_password_ms"] = _above(ours, seconds[BY_PASSWORD])
                yield of_turn(PART, D.key, number, figures, command)


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[dict[str, str], dict[str, int]]]:
    """Yield the addresses of the API at both, by contender, and the processes."""
    public = free_port()
    with _Ejabberd(folder, options=_OPTIONS) as ejabberd:
        ejabberd.register(ADMIN, FRIEND)
        own = f"http://{LOOPBACK}:{ejabberd.ports.http}/api"
        options = {
            "log": {"level": "warning"},
            "accounts": {"api_url": own},
            "public_http": {"enabled": True, "port": public},
            "ejabberd_api": {"enabled": True, "admins": [ADMIN.jid]},
        }
        with Muniment(folder, ejabberd, options=options) as muniment:
            urls = {D.key: f"http://{LOOPBACK}:{public}/api/v3", BY_PASSWORD: own, BY_ADDRESS: own}
            yield urls, {"ejabberd": ejabberd.pid, "muniment": muniment.pid}


async def _times(
    urls: Mapping[str, str], command: str, calls: int, chance: random.Random
) -> dict[str, list[float]]:
    """Return the seconds of each call by contender, all in the order of the calls."""
    authorization = encode_basic_auth(ADMIN.jid, ADMIN.password, encoding="utf-8")
    seconds: dict[str, list[float]] = {key: [] for key in urls}
    headers = {key: {"Authorization": authorization} for key in urls} | {BY_ADDRESS: {}}
    async with ClientSession() as http:
        for call in range(WARM_CALLS + calls):
            keys = list(urls)
            chance.shuffle(keys)
            for key in keys:
                begun = time.perf_counter()
                path = f"{urls[key]}/{command}"
                call_of = http.post(path, json=COMMANDS[command], headers=headers[key])
                async with call_of as response:
                    body = await response.read()
                if response.status != 200:
                    raise Failed(f"{path}: {response.status} {body[:200]!r}")
                if call >= WARM_CALLS:
                    seconds[key].append(time.perf_counter() - begun)
            await asyncio.sleep(0)
    return seconds


def _figures(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "commands_per_second": len(seconds) / sum(seconds),
        "command_p50_ms": percentile(seconds, 50) * 1000,
        "command_p99_ms": percentile(seconds, 99) * 1000,
    }


def _added(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return by how many ms our median is above theirs, and an interval.

    `from` and `to` are the 95 % interval of the median of the differences of pairs of calls, by
    the ranks of a binomial distribution.
    """
    differences = sorted(one - other for one, other in zip(ours, theirs, strict=True))
    count, spread = len(differences), 0.98 * sqrt(len(differences))
    low, high = max(0, round(count / 2 - spread)), min(count - 1, round(count / 2 + spread))
    return {
        "added_ms": _above(ours, theirs),
        "added_from_ms": differences[low] * 1000,
        "added_to_ms": differences[high] * 1000,
    }


def _above(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return (median(ours) - median(theirs)) * 1000
