"""Users who wait for events: memory of sessions and polls, and the time of a message to a poll."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from support.ejabberd import Account
from support.muniment import DATABASE, Muniment
from support.ports import free_port

from benchmarks.contenders import D
from benchmarks.machine import without_garbage_collection
from benchmarks.plan import Plan
from benchmarks.polls import WAIT_SECONDS, HttpClient, sign_in
from benchmarks.samples import Sample, of_turn, percentile
from benchmarks.servers.ejabberd import HOST, BenchmarkedEjabberd
from benchmarks.traffic import BODY
from benchmarks.usage import Meter, memory
from benchmarks.workspace import Workspace
from benchmarks.xmpp import PASSWORD, Session, login
from component.wiring import token_key

PART = "polls"
SENDERS = 20

#: Requests that are under way at once while sessions and journals are opened, and accounts that
#: are made at once.
AT_ONCE = 20
REGISTERED_AT_ONCE = 100

SETTLE_SECONDS = 3.0

#: The shortest time for which a first poll waits.
SOONEST_SECONDS = 5
PATIENCE_SECONDS = 10.0
PERCENTILES = (50, 99)

_Item = TypeVar("_Item")


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Open sessions and polls in each round, beside a new ejabberd, and send messages to them."""
    for number in range(plan.rounds):
        with space.fresh(D.key) as folder:
            states = await _turn(plan, folder, random.Random(f"{plan.seed} {number}"))  # noqa: S311
        for case, figures in states.items():
            yield of_turn(PART, D.key, number, figures, case)


async def _turn(plan: Plan, folder: Path, chance: random.Random) -> dict[str, dict[str, float]]:
    """Return the figures by state."""
    senders = [f"sender{number}" for number in range(SENDERS)]
    users = [f"user{number}" for number in range(plan.polls)]
    states: dict[str, dict[str, float]] = {}
    async with AsyncExitStack() as stack:
        key_file = folder / "key.json"
        key = token_key.load(key_file)
        ejabberd = stack.enter_context(
            BenchmarkedEjabberd(folder, changes={"auth_method: internal": _accepting(key_file)})
        )
        accounts = [Account(user, HOST, PASSWORD) for user in (*senders, *users)]
        for first in range(0, len(accounts), REGISTERED_AT_ONCE):
            ejabberd.register(*accounts[first : first + REGISTERED_AT_ONCE])
        tokens = await sign_in(folder / DATABASE, key, users)
        port = free_port()
        options = options_of(key_file, port, ejabberd.ports.c2s, plan)
        muniment = stack.enter_context(Muniment(folder, ejabberd, options=options))
        pids = {"ejabberd": ejabberd.pid, "muniment": muniment.pid}
        xmpp = [await login(ejabberd.ports.c2s, user) for user in senders]
        for session in xmpp:
            stack.callback(session.close)
            session.on_data = lambda _: None
        states["idle"] = memory(pids)
        polls = [HttpClient(user, token) for user, token in tokens.items()]
        for poll in polls:
            stack.callback(poll.close)
        with_session = polls[: plan.sessions]
        begun = time.perf_counter()
        await for_all(with_session, lambda client: _open_session(client, port))
        opened = time.perf_counter() - begun
        await asyncio.sleep(SETTLE_SECONDS)
        states[f"{plan.sessions} sessions"] = memory(pids) | {"seconds": opened}
        begun = time.perf_counter()
        await for_all(polls, lambda client: find_end(client, port))
        opened = time.perf_counter() - begun
        await asyncio.sleep(SETTLE_SECONDS)
        traffic = Messages(xmpp, with_session, chance)
        for poll in polls:
            poll.on_messages = traffic.received
            # They end at different times, like those of users who came at different times.
            poll.poll(chance.randint(SOONEST_SECONDS, WAIT_SECONDS))
        await asyncio.sleep(SETTLE_SECONDS)
        states[f"{plan.polls} polls"] = memory(pids) | {"seconds": opened}
        states[""] = await _load(traffic, pids, plan)
    return states


async def _load(traffic: Messages, pids: dict[str, int], plan: Plan) -> dict[str, float]:
    # The first messages find empty caches.
    await traffic.at_rate(plan.rate, 2.0)
    await traffic.all_received()
    traffic.clear()
    load_average = os.getloadavg()[0]
    meter = Meter(pids)
    begun = time.perf_counter()
    with without_garbage_collection():
        await traffic.at_rate(plan.rate, plan.poll_seconds)
        await traffic.all_received()
    elapsed = time.perf_counter() - begun
    spent, sent = meter.spent(), len(traffic.sent_at)
    return {
        **{f"p{n}_ms": percentile(traffic.seconds, n) * 1000 for n in PERCENTILES},
        "max_ms": max(traffic.seconds) * 1000,
        "lost": sent - len(traffic.seconds),
        **{f"cpu_share_{name}": used / elapsed for name, used in spent.items()},
        "cpu_ms_muniment": spent["muniment"] / sent * 1000,
        "load_average": load_average,
        "others_cpu": meter.noise(),
        **meter.memory(),
    }


def _accepting(key_file: Path) -> str:
    return f'auth_method: [internal, jwt]\njwt_key: "{key_file}"'


def options_of(
    key_file: Path, port: int, c2s_port: int, plan: Plan
) -> dict[str, dict[str, object]]:
    """Return options of a Muniment whose users wait for events at a port."""
    connections = plan.polls + plan.streams + 100
    return {
        "log": {"level": "warning"},
        "tokens": {"key_file": str(key_file)},
        # Nobody signs in here, but sign-in needs a source of accounts.
        "accounts": {"login_address": "127.0.0.1", "login_port": c2s_port},
        "public_http": {
            "enabled": True,
            "port": port,
            "max_connections": connections,
            "max_connections_per_address": connections,
            "max_streams": plan.streams,
        },
        "sessions": {"port": c2s_port, "max": plan.sessions},
    }


async def _open_session(client: HttpClient, port: int) -> None:
    await client.connect(port)
    await client.post("messages", f'{{"to": "sender0@{HOST}", "chat_state": "active"}}')


async def find_end(client: HttpClient, port: int) -> None:
    """Connect, and read the events so far, to poll behind them."""
    await client.connect(port)
    await client.find_end()


async def for_all(items: Sequence[_Item], work: Callable[[_Item], Awaitable[None]]) -> None:
    """Do some work for all items, for AT_ONCE of them at a time."""
    left = iter(items)

    async def some() -> None:
        for item in left:
            await work(item)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


@dataclass
class Messages:
    """Messages of some senders to users who poll, with the times until a poll brings each."""

    senders: Sequence[Session]
    recipients: Sequence[HttpClient]
    chance: random.Random
    sent_at: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _first: int = 0  # the number of the first message that counts
    _all_received: asyncio.Event = field(default_factory=asyncio.Event)

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Send messages at an even rate, each to a user at random."""
        begun = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sender = self.senders[number % len(self.senders)]
            recipient = self.chance.choice(self.recipients)
            self._send(sender, f"{recipient.user}@{HOST}")

    async def all_received(self) -> None:
        """Wait until polls have brought all messages, or for PATIENCE_SECONDS."""
        self._all_received.clear()
        if len(self.seconds) < len(self.sent_at):
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._all_received.wait()

    def received(self, numbers: set[bytes]) -> None:
        """Note the numbers of messages in the answer to a poll."""
        now = time.perf_counter()
        places = [int(number, 16) - self._first for number in numbers]
        self.seconds += [now - self.sent_at[place] for place in places if place >= 0]
        if len(self.seconds) == len(self.sent_at):
            self._all_received.set()

    def clear(self) -> None:
        """Forget all messages so far."""
        self._first += len(self.sent_at)
        self.sent_at.clear()
        self.seconds.clear()

    def _send(self, sender: Session, to: str) -> None:
        number = self._first + len(self.sent_at)
        self.sent_at.append(time.perf_counter())
        stanza = f"<message to='{to}' type='chat' id='m{number:08x}'><body>{BODY}</body></message>"
        sender.send(stanza.encode())
