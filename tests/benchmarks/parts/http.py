"""Pages of 50 over HTTP: Remote Data and the archive API, beside a handler of djabberd's shape.

All contenders have the same rows. Conversations, a search and the folded view have no peer; the
archives of the folded view have messages about other messages, too.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from support.muniment import DATABASE, Muniment
from support.ports import LOOPBACK
from support.program import Failed

from benchmarks.contenders import OPERATOR_SECRET, D, Running
from benchmarks.loading import annotations, djabberd, muniment
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn
from benchmarks.servers.ejabberd import HOST
from benchmarks.servers.gunicorn import WORKERS, Gunicorn
from benchmarks.usage import cpu_seconds, memory
from benchmarks.workspace import Workspace

PART = "http"
SIZE = 10_000
OWNERS = tuple(f"owner{n}" for n in range(8))
ANNOTATED_OWNERS = tuple(f"annotated{n}" for n in range(8))
CONNECTIONS = 8
PEER_DATABASE = "djabberd.db"
WARM_SECONDS = 1

_QUERY = "username={owner}&before=last&limit=50"

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


#: The cases: the API over which clients request pages.
REMOTE_DATA, ARCHIVE_API = "", "archive API"


@dataclass(frozen=True, slots=True)
class Read:
    """A request for a part of an archive."""

    path: str  #: below the archive
    owners: Sequence[str] = OWNERS


#: What the archive API reads, by case.
READS = {
    ARCHIVE_API: Read("messages?order=desc&limit=50&count=true"),
    f"{ARCHIVE_API}, conversations": Read("conversations"),
    f"{ARCHIVE_API}, search": Read("messages?order=desc&limit=50&search=wizards"),
    f"{ARCHIVE_API}, folded": Read("messages?order=desc&limit=50&view=folded", ANNOTATED_OWNERS),
}

_Turn = Callable[[Path, Plan], Coroutine[Any, Any, dict[str, float]]]


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Give each its turn in every round."""
    folder = space.kept(PART)
    archives = dict.fromkeys(OWNERS, SIZE)
    annotated = dict.fromkeys(ANNOTATED_OWNERS, SIZE)
    await muniment.fill(folder / DATABASE, archives | annotated)
    await annotations.add(folder / DATABASE, annotated)
    djabberd.fill(folder / PEER_DATABASE, archives)
    turns: dict[tuple[str, str], _Turn] = {
        (D.key, REMOTE_DATA): _remote_data,
        **{(D.key, case): partial(_archive_api, read) for case, read in READS.items()},
        **{(djabberd_with(workers), ""): partial(_peer, workers) for workers in WORKERS},
    }
    for number in range(plan.rounds):
        for key, case in plan.order(PART, number, turns):
            figures = await turns[key, case](folder, plan)
            yield of_turn(PART, key, number, figures, case)


def djabberd_with(workers: str) -> str:
    """Return the name of djabberd's shape of handler in results."""
    return f"djabberd, {workers}"


async def _remote_data(folder: Path, plan: Plan) -> dict[str, float]:
    paths = [f"/api/archive?{_QUERY.format(owner=owner)}" for owner in OWNERS]
    with D.start(folder) as server:
        archive = _archive(server)
        load = Load(archive.url, paths, secret=archive.secret)
        return await _loaded(folder, server.pids["muniment"], load, plan) | memory(server.pids)


async def _archive_api(read: Read, folder: Path, plan: Plan) -> dict[str, float]:
    """Read as an operator: each request is in the audit log before it is answered."""
    paths = [f"/api/v1/archives/{owner}@{HOST}/{read.path}" for owner in read.owners]
    with D.start(folder) as server:
        load = Load(_archive(server).url, paths, secret=OPERATOR_SECRET)
        before = _audited(folder)
        figures = await _loaded(folder, server.pids["muniment"], load, plan)
        if _audited(folder) - before < figures["requests"]:
            raise Failed("there are pages that were read and are not in the audit log")
        return figures | memory(server.pids)


async def _peer(workers: str, folder: Path, plan: Plan) -> dict[str, float]:
    paths = [f"/archive?{_QUERY.format(owner=owner)}" for owner in OWNERS]
    with Gunicorn(folder, folder / PEER_DATABASE, workers) as peer:
        load = Load(f"http://{LOOPBACK}:{peer.port}", paths)
        return await _loaded(folder, peer.pid, load, plan)


def _archive(server: Running) -> Muniment:
    assert server.muniment is not None
    return server.muniment


def _audited(folder: Path) -> int:
    with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as database:
        return database.execute("SELECT count(*) FROM audit_log").fetchone()[0]


@dataclass(frozen=True, slots=True)
class Load:
    """The URL of a server, and the paths that are requested in turn."""

    url: str
    paths: Sequence[str]
    secret: str = ""

    def script(self) -> str:
        """Return the script of wrk for this load."""
        paths = ", ".join(f'"{path}"' for path in self.paths)
        return _SCRIPT.format(paths=paths, secret=self.secret)


async def _loaded(folder: Path, pid: int, load: Load, plan: Plan) -> dict[str, float]:
    script = folder / "wrk.lua"
    script.write_text(load.script())
    await _wrk(load.url, script, WARM_SECONDS)
    before = cpu_seconds(pid)
    requests, micros, p50, p99, size, errors = await _wrk(load.url, script, plan.http_seconds)
    if errors:
        raise Failed(f"{load.url}: {errors} requests failed")
    return {
        "pages_per_second": requests / micros * 1e6,
        "page_p50_ms": p50 / 1000,
        "page_p99_ms": p99 / 1000,
        "kilobytes_per_page": size / requests / 1000,
        "cpu_ms": (cpu_seconds(pid) - before) * 1000 / requests,
        "requests": requests,
    }


async def _wrk(url: str, script: Path, seconds: float) -> list[int]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    process = await asyncio.create_subprocess_exec(
        *command, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()
    match = re.search(r"^RESULT (.*)$", output, re.M)
    if match is None:
        raise Failed(f"wrk: {output}")
    return [int(number) for number in match[1].split()]
