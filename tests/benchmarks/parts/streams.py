"""Ingest as in the part of this name, alone and beside users with open streams and waiting polls.

Both turns of a round have the same configuration. Most of those users receive nothing; the users
of the first pair also follow their own archives, each by a stream and by polls.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from support.muniment import DATABASE, Muniment
from support.ports import free_port

from benchmarks.contenders import D, Running, kept
from benchmarks.parts import ingest
from benchmarks.parts.polls import SETTLE_SECONDS, SOONEST_SECONDS, find_end, for_all, options_of
from benchmarks.plan import Plan
from benchmarks.polls import WAIT_SECONDS, HttpClient, StreamClient, sign_in
from benchmarks.samples import Sample, of_turn
from benchmarks.servers.ejabberd import BenchmarkedEjabberd
from benchmarks.workspace import Workspace
from component.wiring import token_key

PART = "streams"

#: The case with streams and polls; the other one has none.
BESIDE = "beside streams and polls"

#: The users of the first pair of `ingest`.
_WRITERS = ("user0", "user1")


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Give both cases a turn in every round, each time with empty archives."""
    for number in range(plan.rounds):
        for case in plan.order(PART, number, ("", BESIDE)):
            with space.fresh(D.key) as folder:
                figures = await _turn(plan, folder, is_beside=case == BESIDE)
            yield of_turn(PART, D.key, number, figures, case)


async def _turn(plan: Plan, folder: Path, *, is_beside: bool) -> dict[str, float]:
    key, port = token_key.load(folder / "key.json"), free_port()
    count = max(plan.polls, plan.streams) - len(_WRITERS)
    users = [*_WRITERS, *(f"waiting{number}" for number in range(count))] if is_beside else []
    tokens = await sign_in(folder / DATABASE, key, users)
    with _started(plan, folder, port) as server:
        if not is_beside:
            return await ingest.turn(plan, server)
        async with _waiting(plan, tokens, port) as waiting:
            figures = await ingest.turn(plan, server)
        return figures | {
            "on_streams": sum(stream.messages for stream in waiting.streams),
            "in_polls": waiting.in_polls,
        }


@contextmanager
def _started(plan: Plan, folder: Path, port: int) -> Iterator[Running]:
    with BenchmarkedEjabberd(folder) as ejabberd:
        options = options_of(folder / "key.json", port, ejabberd.ports.c2s, plan)
        with Muniment(folder, ejabberd, options=options) as muniment:
            yield Running(
                port=ejabberd.ports.c2s,
                pids={"ejabberd": ejabberd.pid, "muniment": muniment.pid},
                muniment=muniment,
                archived=partial(kept, folder / DATABASE),
            )


@dataclass(slots=True)
class _Waiting:
    """Users who wait for messages."""

    streams: list[StreamClient]
    polls: list[HttpClient]
    in_polls: int = field(default=0)  #: messages that polls have brought

    def received(self, numbers: set[bytes]) -> None:
        """Note the messages in the answer to a poll."""
        self.in_polls += len(numbers)


@asynccontextmanager
async def _waiting(plan: Plan, tokens: dict[str, str], port: int) -> AsyncIterator[_Waiting]:
    """Open streams of the first users, and polls of the first users."""
    users = list(tokens.items())
    waiting = _Waiting(
        [StreamClient(*user) for user in users[: plan.streams]],
        [HttpClient(*user) for user in users[: plan.polls]],
    )
    chance = random.Random(plan.seed)  # noqa: S311 - no secret
    await for_all(waiting.streams, lambda stream: stream.open(port))
    await for_all(waiting.polls, lambda poll: find_end(poll, port))
    for poll in waiting.polls:
        poll.on_messages = waiting.received
        # They end at different times, like those of users who came at different times.
        poll.poll(chance.randint(SOONEST_SECONDS, WAIT_SECONDS))
    await asyncio.sleep(SETTLE_SECONDS)
    yield waiting
    for client in (*waiting.streams, *waiting.polls):
        client.close()
