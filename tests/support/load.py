"""A load of messages and queries, and what is wrong with the archives afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from support.mam_payloads import archive_query
from support.raw import Client, Lost
from support.stanzas import Refused

#: Seconds between two queries, and until a query counts as lost.
ASK_SECONDS, LOST_SECONDS = 0.05, 10.0

#: ejabberd refuses a query after 32 seconds if the process that has it does not answer.
EJABBERD_SECONDS = 60.0


class Answers:
    """Measures for how long no archive query is answered."""

    def __init__(self, ask_seconds: float = ASK_SECONDS) -> None:
        """`ask_seconds` is the time between two queries."""
        self._ask_seconds = ask_seconds
        self.longest = 0.0  #: seconds until a query was answered or refused
        self.refused: Counter[str] = Counter()  # by the error
        self.lost = 0  # queries that were with a process when it was killed
        self._answered: list[float] = []  # when each query was sent that was answered
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, client: Client) -> None:
        """Ask all the time until cancelled; no query waits for the answer to another one."""
        while True:
            task = asyncio.create_task(self._ask(client, time.monotonic()))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.sleep(self._ask_seconds)

    async def _ask(self, client: Client, sent_at: float) -> None:
        try:
            await client.ask("set", archive_query(max=1, before=""), seconds=EJABBERD_SECONDS)
        except Lost:
            return  # the client has logged out
        except TimeoutError:
            # ejabberd passes an error of its own on without the id of the query.
            self.lost += 1
        except Refused as error:
            if time.monotonic() - sent_at < LOST_SECONDS:
                self.refused[str(error)] += 1
            else:
                self.lost += 1
        else:
            self._answered.append(sent_at)
        self.longest = max(self.longest, time.monotonic() - sent_at)

    @property
    def count(self) -> int:
        """The number of answers."""
        return len(self._answered)

    def delays(self, ends: Sequence[float]) -> list[float]:
        """Return the seconds from the end of each process to the next query that was answered."""
        times = sorted(self._answered)
        return sorted(next((at for at in times if at > end), inf) - end for end in ends)


async def load(sender: Client, to: Client, name: str, rate: float, sent: list[str]) -> None:
    """Send messages at a rate until cancelled."""
    began = time.monotonic()
    while True:
        while len(sent) < (time.monotonic() - began) * rate:
            body = f"{name} {len(sent)}"
            sent.append(body)
            sender.say(to.account.jid, body)
        await asyncio.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Faults:
    """Numbers of messages of an archive that are not as they were sent."""

    missing: int = 0
    twice: int = 0
    disordered: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.twice or self.disordered)

    def __add__(self, other: Faults) -> Faults:
        return Faults(
            self.missing + other.missing,
            self.twice + other.twice,
            self.disordered + other.disordered,
        )

    def __str__(self) -> str:
        return f"{self.missing} missing, {self.twice} twice, {self.disordered} out of order"


def faults(sent: Mapping[str, Sequence[str]], archived: Sequence[str]) -> Faults:
    """Compare an archive with what was sent: by sender, texts of the sender and a number."""
    expected = [body for bodies in sent.values() for body in bodies]
    missing = len(set(expected) - set(archived))
    twice = len(archived) - len(set(archived))
    disordered = 0
    for name in sent:
        numbers = [int(body.split()[1]) for body in archived if body.split()[0] == name]
        disordered += sum(later < earlier for earlier, later in pairwise(numbers))
    return Faults(missing, twice, disordered)
