#!/usr/bin/env python3
"""Kill and freeze the leader of three PostgreSQL under Patroni, and check what was archived.

One process of Muniment, then two, beside one real ejabberd, on a cluster with synchronous
replication. Users send messages all the time, programs post messages over HTTP and repeat each one
until it is acknowledged, and others read. The leader is lost twice: it is killed with SIGKILL, and
it is frozen with SIGSTOP, so that its connections stay open; a frozen one comes back under load.
Prints a table, and ends with 1 if a promise does not hold. `make ha` runs it; it takes some eight
minutes and is not part of `make test`.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import mam
from support.ejabberd import Account
from support.load import Answers, Faults, faults, load
from support.muniment import Muniment
from support.patroni import Cluster, Node
from support.processes import Processes
from support.raw import Client
from support.releases import Release, unpacked
from support.remote_data import incoming, path, read_all, session
from support.server import Server

#: What is promised: seconds without a write that was acknowledged, after the cluster has a new
#: leader; seconds until a query or a read is answered, or refused. ejabberd refuses a query
#: after 32 seconds.
RESUME_SECONDS, ANSWER_SECONDS = 15.0, 12.0

#: Seconds of load before a failure, and after the writes have resumed.
BEFORE_SECONDS, AFTER_SECONDS = 5.0, 10.0

#: Seconds after which a request that has no answer is repeated, and between two reads.
POST_SECONDS, READ_SECONDS = 10.0, 0.5

#: Seconds until all that was sent is archived, and writes have resumed.
PATIENCE_SECONDS = 180.0

FAILURES = ("kill", "freeze")

_QUEUE = re.compile(r"^muniment_queue(_capacity)?_bytes (\S+)$", re.MULTILINE)


class Poster:
    """Posts messages into an archive one by one, each again until it is acknowledged."""

    def __init__(self, muniment: Muniment, owner: Account) -> None:
        self.owner = owner
        self.acknowledged: list[str] = []
        self.times: list[float] = []  # of the acknowledgements
        self._muniment = muniment

    async def post(self) -> None:
        """Post until cancelled."""
        timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
        while True:
            body = f"post {len(self.acknowledged)}"
            message = incoming(self.owner, body)
            status = 0
            while status != 200:
                try:
                    async with (
                        session(self._muniment) as http,
                        http.post(
                            path(self._muniment, self.owner), json=message, timeout=timeout
                        ) as response,
                    ):
                        status = response.status
                except (aiohttp.ClientError, OSError, TimeoutError):
                    status = 0
                if status != 200:
                    await asyncio.sleep(0.2)
            self.times.append(time.monotonic())
            self.acknowledged.append(body)
            await asyncio.sleep(0.05)

    def resumed(self, after: float) -> float | None:
        """Return when a message was acknowledged again that was posted after a time."""
        # The first acknowledgement may be of a message that was written before.
        return next((at for at in self.times[:-1] if at > after), None)


class Reads:
    """Reads over HTTP."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.statuses: Counter[int] = Counter()  # 0: no answer

    async def read(self, muniment: Muniment, owner: Account) -> None:
        """Read a page all the time until cancelled."""
        parameters = {"username": owner.user, "limit": "1"}
        async with session(muniment) as http:
            while True:
                began = time.monotonic()
                try:
                    async with http.get(path(muniment, owner), params=parameters) as answer:
                        self.statuses[answer.status] += 1
                except (aiohttp.ClientError, OSError, TimeoutError):
                    self.statuses[0] += 1
                self.longest = max(self.longest, time.monotonic() - began)
                await asyncio.sleep(READ_SECONDS)


class Queues:
    """The memory of messages that wait, as the metrics of the processes say."""

    def __init__(self) -> None:
        self.highest = self.capacity = 0.0

    async def watch(self, muniments: tuple[Muniment, ...]) -> None:
        """Read the metrics all the time until cancelled."""
        async with aiohttp.ClientSession() as http:
            while True:
                for muniment in muniments:
                    async with http.get(f"{muniment.url}/metrics") as answer:
                        figures = dict(_QUEUE.findall(await answer.text()))
                    self.highest = max(self.highest, float(figures[""]))
                    self.capacity = float(figures["_capacity"])
                await asyncio.sleep(READ_SECONDS)


@dataclass(kw_only=True)
class Result:
    """What one failure of the leader has done."""

    processes: int
    failure: str
    sent: int = 0
    sent_faults: Faults = field(default_factory=Faults)
    acknowledged: int = 0
    acknowledged_faults: Faults = field(default_factory=Faults)
    leader_seconds: float = 0.0  #: from the failure to the new leader
    resume_seconds: float = 0.0  #: from the failure to an acknowledged write
    query_seconds: float = 0.0  #: the longest time until a query was answered or refused
    refused: int = 0
    read_seconds: float = 0.0  #: the same for reads over HTTP
    queued: float = 0.0  #: bytes
    capacity: float = 0.0
    gaps: int = 0

    def row(self) -> list[str]:
        return [
            str(self.processes),
            self.failure,
            str(self.sent),
            _numbers(self.sent_faults),
            str(self.acknowledged),
            _numbers(self.acknowledged_faults),
            f"{self.leader_seconds:.1f}",
            f"{self.resume_seconds:.1f}",
            f"{self.query_seconds:.1f}",
            str(self.refused),
            f"{self.read_seconds:.1f}",
            f"{self.queued / 1024:.0f} of {self.capacity / 1024:.0f}",
            str(self.gaps),
        ]

    def broken(self) -> Iterator[str]:
        """Yield the promises that do not hold."""
        if self.sent_faults:
            yield f"messages: {self.sent_faults}"
        if self.acknowledged_faults:
            yield f"acknowledged messages: {self.acknowledged_faults}"
        if self.resume_seconds - self.leader_seconds > RESUME_SECONDS:
            yield f"no write within {RESUME_SECONDS:g} s after the new leader"
        if max(self.query_seconds, self.read_seconds) > ANSWER_SECONDS:
            yield f"no answer within {ANSWER_SECONDS:g} s"
        if self.queued > self.capacity:
            yield "more bytes wait than archive.queue_bytes allows"
        if self.gaps:
            yield "a gap was recorded, although the process was connected"


HEAD = (
    "processes",
    "leader",
    "sent",
    "lost/twice/disordered",
    "acknowledged",
    "lost/twice/disordered",
    "new leader s",
    "writes again s",
    "query s",
    "refused",
    "read s",
    "queue KiB",
    "gaps",
)


def _numbers(found: Faults) -> str:
    return f"{found.missing}/{found.twice}/{found.disordered}"


async def fail(
    cluster: Cluster,
    installation: Server | Processes,
    muniments: tuple[Muniment, ...],
    args: argparse.Namespace,
    failure: str,
) -> Result:
    """Lose the leader once, under load, and return what that has done."""
    result = Result(processes=len(muniments), failure=failure)
    alice, bob, reader = installation.accounts("alice", "bob", "reader")
    posters = [Poster(m, installation.accounts("carol")[0]) for m in muniments]
    sent: dict[str, list[str]] = {"alice": [], "bob": []}
    answers, reads, queues = Answers(READ_SECONDS), Reads(), Queues()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(installation.client(account))
            for account in (alice, bob, reader)
        ]
        for client in clients:
            await client.be_available()
        a, b, r = clients
        senders = [
            asyncio.create_task(load(a, b, "alice", args.rate / 2, sent["alice"])),
            asyncio.create_task(load(b, a, "bob", args.rate / 2, sent["bob"])),
        ]
        others = [
            *(asyncio.create_task(poster.post()) for poster in posters),
            *(asyncio.create_task(reads.read(m, bob)) for m in muniments),
            asyncio.create_task(answers.ask(r)),
            asyncio.create_task(queues.watch(muniments)),
        ]
        await asyncio.sleep(BEFORE_SECONDS)
        leader = await asyncio.to_thread(cluster.wait_for_leader)
        failed_at = time.monotonic()
        lose(leader, failure)
        await asyncio.to_thread(cluster.wait_for_leader, other_than=leader)
        result.leader_seconds = time.monotonic() - failed_at
        resumed_at = await resumed(posters, failed_at)
        result.resume_seconds = resumed_at - failed_at
        await asyncio.sleep(AFTER_SECONDS / 2)
        # A frozen leader wakes up, and believes for a moment that it leads still.
        await asyncio.to_thread(bring_back, leader, failure)
        await asyncio.sleep(AFTER_SECONDS / 2)
        for task in senders:
            task.cancel()
        for client in clients[:2]:
            await client.settled(seconds=60)
        await archived(a, sent)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        result.sent = sum(map(len, sent.values()))
        for client in (a, b):
            result.sent_faults += faults(sent, [str(x) for x in await mam.bodies(client)])
    for poster in posters:
        result.acknowledged += len(poster.acknowledged)
        stored = [item["body"] for item in await read_all(muniments[0], poster.owner)]
        # The last one may have been written though its answer was not awaited.
        known = stored[: len(poster.acknowledged)] + stored[len(poster.acknowledged) + 1 :]
        result.acknowledged_faults += faults({"post": poster.acknowledged}, known)
    result.query_seconds, result.refused = answers.longest, answers.refused.total() + answers.lost
    result.read_seconds = reads.longest
    result.queued, result.capacity = queues.highest, queues.capacity
    print(f"queries: {answers.count} answered, {answers.lost} without an answer,", end=" ")
    print(f"refused: {dict(answers.refused)}; reads over HTTP: {dict(reads.statuses)}")
    return result


def lose(leader: Node, failure: str) -> None:
    """Kill a node, or freeze it."""
    if failure == "kill":
        leader.kill()
    else:
        leader.pause()


def bring_back(node: Node, failure: str) -> None:
    """Start a node again after `lose`."""
    if failure == "kill":
        node.start()
    else:
        node.resume()


async def resumed(posters: list[Poster], failed_at: float) -> float:
    """Return when all processes have acknowledged a write again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            times = [poster.resumed(failed_at + 1) for poster in posters]
            if None not in times:
                return max(at for at in times if at is not None)
            await asyncio.sleep(0.05)


async def archived(client: Client, sent: dict[str, list[str]]) -> None:
    """Return when the archive has the last messages, or has had time enough for it."""
    wanted = {bodies[-1] for bodies in sent.values()}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        page = await mam.query(client, max=50, before="")
        if wanted <= set(page.bodies):
            return
        await asyncio.sleep(0.5)


@contextmanager
def installed(
    folder: Path, release: Release, url: str, count: int
) -> Iterator[tuple[Server | Processes, tuple[Muniment, ...]]]:
    """Run ejabberd with one process of Muniment, or with several."""
    if count > 1:
        with Processes.running(folder, release, url, count) as processes:
            yield processes, processes.muniments
        return
    options = {"storage": {"url": url, "spill": str(folder / "spill")}}
    with Server.running(folder, release, options) as server:
        yield server, (server.muniment,)


def run(folder: Path, args: argparse.Namespace) -> list[Result]:
    """Lose the leader in each way, with one process and with several."""
    results = []
    release = unpacked(args.ejabberd)
    with Cluster.running(folder) as cluster:
        version = cluster.sql("SHOW server_version", database="postgres")
        print(f"ejabberd {release.version}, PostgreSQL {version}, Patroni {cluster.version}")
        for count in args.processes:
            database = f"muniment{count}"
            url = cluster.create(database)
            place = folder / database
            place.mkdir()
            with installed(place, release, url, count) as (installation, muniments):
                for failure in args.failures:
                    cluster.wait_until_complete()
                    result = asyncio.run(fail(cluster, installation, muniments, args, failure))
                    cluster.wait_until_complete()
                    result.gaps = int(cluster.sql("SELECT count(*) FROM gaps", database=database))
                    results.append(result)
                    print(" | ".join(result.row()), flush=True)
    return results


def main() -> int:
    """Run with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ejabberd", default="26.07", metavar="VERSION")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2], metavar="COUNT")
    parser.add_argument("--failures", nargs="*", choices=FAILURES, default=list(FAILURES))
    parser.add_argument("--rate", type=float, default=50.0, help="messages in a second")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="muniment-ha-"))
    folder.chmod(0o711)
    results = run(folder, args)
    print()
    print(" | ".join(HEAD))
    broken = []
    for result in results:
        print(" | ".join(result.row()))
        broken += [f"{result.processes}, {result.failure}: {text}" for text in result.broken()]
    for text in broken:
        print(f"NOT KEPT: {text}")
    if broken:
        print(f"the logs are in {folder}")
        return 1
    print("all promises are kept")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
