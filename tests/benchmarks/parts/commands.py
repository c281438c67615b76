"""Commands of ejabberd's API, called at Muniment and at ejabberd itself.

Both get the same calls, one after the other over one connection and over several connections. The
caller authenticates by password at both. At Muniment each call is in the audit log. A third turn
calls ejabberd without a password, from an address that it trusts: that is how Muniment calls it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from statistics import median, quantiles

from aiohttp import ClientSession
from support.ejabberd_api_server import ApiServer, api_server, basic
from support.releases import installed_or_newest

from benchmarks.contenders import D
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn
from benchmarks.usage import cpu_seconds
from benchmarks.workspace import Workspace

PART = "commands"

#: The contender beside Muniment: mod_http_api of the ejabberd behind it.
EJABBERD = "mod_http_api"
TRUSTING = f"{EJABBERD}, trusted address"

#: The cases: calls one after the other, and over some connections at once.
ONE, CONNECTIONS = "", 8
SEVERAL = f"{CONNECTIONS} connections"

COMMAND = "connected_users_number"
WARM_CALLS = 50


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Give each its turn in every round."""
    options = {"log": {"level": "warning"}}
    with (
        space.fresh(PART) as folder,
        api_server(folder, installed_or_newest(), options) as api,
    ):
        urls = {
            D.key: f"{api.url}/api/v3/{COMMAND}",
            EJABBERD: f"{api.ejabberd_url}/{COMMAND}",
            TRUSTING: f"{api.ejabberd_url}/{COMMAND}",
        }
        turns = [(key, case) for key in urls for case in (ONE, SEVERAL)]
        for number in range(plan.rounds):
            for key, case in plan.order(PART, number, turns):
                connections = 1 if case == ONE else CONNECTIONS
                headers = basic(None if key == TRUSTING else api.admin)
                figures = await _loaded(api, urls[key], headers, connections, plan.http_seconds)
                if key != D.key:
                    del figures["cpu_ms"]
                yield of_turn(PART, key, number, figures, case)


async def _loaded(
    api: ApiServer, url: str, headers: Mapping[str, str], connections: int, seconds: float
) -> dict[str, float]:
    pid = api.server.muniment.pid
    await asyncio.gather(*(_call(url, headers, calls=WARM_CALLS) for _ in range(connections)))
    before, started = cpu_seconds(pid), time.perf_counter()
    runs = await asyncio.gather(
        *(_call(url, headers, seconds=seconds) for _ in range(connections))
    )
    elapsed = time.perf_counter() - started
    times = [duration for run in runs for duration in run]
    return {
        "commands_per_second": len(times) / elapsed,
        "command_p50_ms": median(times) * 1000,
        "command_p99_ms": quantiles(times, n=100)[-1] * 1000,
        "cpu_ms": (cpu_seconds(pid) - before) * 1000 / len(times),
    }


async def _call(
    url: str, headers: Mapping[str, str], *, calls: int = 0, seconds: float = 0.0
) -> list[float]:
    """Return the duration of each call in seconds; call so often, or for so long."""
    durations: list[float] = []
    end = time.perf_counter() + seconds
    async with ClientSession(headers=headers) as http:
        while len(durations) < calls or time.perf_counter() < end:
            started = time.perf_counter()
            async with http.post(url, json={}) as response:
                await response.read()
                response.raise_for_status()
            durations.append(time.perf_counter() - started)
    return durations
