"""Pages of 50 over HTTP, beside a handler of djabberd's shape with the same rows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from support.muniment import DATABASE, Muniment
from support.ports import LOOPBACK
from support.program import Failed

from benchmarks.contenders import D
from benchmarks.loading import djabberd, muniment
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn
from benchmarks.servers.gunicorn import WORKERS, Gunicorn
from benchmarks.usage import cpu_seconds
from benchmarks.workspace import Workspace

PART = "http"
SIZE = 10_000
OWNERS = tuple(f"owner{n}" for n in range(8))
CONNECTIONS = 8
WARM_SECONDS = 1

#: The newest page of each owner in turn.
_SCRIPT = """
local paths, n = {{ {paths} }}, 0
wrk.headers["X-Api-Key"] = "{secret}"
request = function()
    n = n % #paths + 1
    return wrk.format("GET", paths[n])
end
done = function(summary, latency)
    io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), summary.bytes,
        summary.errors.status + summary.errors.read + summary.errors.timeout))
end
"""


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Give each its turn in every round."""
    folder = space.kept(PART)
    archives = dict.fromkeys(OWNERS, SIZE)
    await muniment.fill(folder / DATABASE, archives)
    djabberd.fill(folder / "djabberd.db", archives)
    for number in range(plan.rounds):
        with D.start(folder) as server:
            archive = server.muniment
            assert isinstance(archive, Muniment)
            figures = await _loaded(
                folder, archive.pid, f"{archive.url}/api", plan, secret=archive.secret
            )
        yield of_turn(PART, D.key, number, figures)
        for workers in WORKERS:
            with Gunicorn(folder, folder / "djabberd.db", workers) as peer:
                url = f"http://{LOOPBACK}:{peer.port}"
                figures = await _loaded(folder, peer.pid, url, plan)
            yield of_turn(PART, djabberd_with(workers), number, figures)


def djabberd_with(workers: str) -> str:
    """Return what djabberd's shape of handler is called in results."""
    return f"djabberd, {workers}"


async def _loaded(
    folder: Path, pid: int, url: str, plan: Plan, *, secret: str = ""
) -> dict[str, float]:
    script = folder / "wrk.lua"
    path = url.split("/", 3)[3:] or [""]
    places = [
        f'"/{path[0]}/archive?username={o}&before=last&limit=50"'.replace("//", "/")
        for o in OWNERS
    ]
    script.write_text(_SCRIPT.format(paths=", ".join(places), secret=secret))
    await _wrk(url, script, WARM_SECONDS)
    before = cpu_seconds(pid)
    requests, micros, p50, p99, size, errors = await _wrk(url, script, plan.http_seconds)
    if errors:
        raise Failed(f"{url}: {errors} requests failed")
    return {
        "pages_per_second": requests / micros * 1e6,
        "page_p50_ms": p50 / 1000,
        "page_p99_ms": p99 / 1000,
        "kilobytes_per_page": size / requests / 1000,
        "cpu_ms": (cpu_seconds(pid) - before) * 1000 / requests,
    }


async def _wrk(url: str, script: Path, seconds: float) -> list[int]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    process = await asyncio.create_subprocess_exec(
        *command, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()
    found = re.search(r"^RESULT (.*)$", output, re.M)
    if found is None:
        raise Failed(f"wrk: {output}")
    return [int(number) for number in found[1].split()]
