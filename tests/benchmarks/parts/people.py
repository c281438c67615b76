"""Messages as people write them: with receipts and markers, in rooms, to users who are away."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from benchmarks import mam
from benchmarks.contenders import ARCHIVES, Running
from benchmarks.conversation import ROOM, Conversation, away
from benchmarks.parts.ingest import cpu_of_row
from benchmarks.parts.proof import PATIENCE_SECONDS, complete, differences
from benchmarks.parts.turns import each_round
from benchmarks.parts.users import new_pairs
from benchmarks.plan import Plan
from benchmarks.samples import Sample, percentile
from benchmarks.traffic import Traffic
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace
from benchmarks.xmpp import Session, login, register

PART = "people"
SETTLE_SECONDS = 1.0

#: The size of a page that includes the last message of each user: receipts, markers and messages
#: in the room may follow that message.
LAST = 100
POLL_SECONDS = 0.05


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Give each contender a turn in every round, each time with empty archives."""
    async for turn in each_round(PART, ARCHIVES, _turn, plan, space):
        yield turn


async def _turn(plan: Plan, server: Running) -> dict[str, float]:
    async with new_pairs(server.port, plan.pairs) as pairs, _devices_and_room(server.port, pairs):
        await asyncio.sleep(SETTLE_SECONDS)
        meter = Meter(server.pids)
        traffic = Traffic(pairs, Conversation)
        gc.disable()
        await traffic.keep_under_way(plan.under_way, plan.people_seconds)
        gc.enable()
        stanzas, delivered_at = _stanzas(traffic), traffic.last_delivered
        archived_at, missing = await _archived(traffic)
        spent, noise, resident = meter.spent(), meter.noise(), meter.memory()
        resident |= cpu_of_row(server, spent)
        wrong = sum([await differences(user, traffic.ids(user.user)) for user in pairs[0]])
        wrong += await _missed(server.port, traffic)
    sent = len(traffic.sent_at)
    return {
        "messages_per_second": sent / (archived_at - traffic.sent_at[0]),
        "stanzas_per_second": stanzas / (delivered_at - traffic.sent_at[0]),
        "delivery_p50_ms": percentile(traffic.seconds, 50) * 1000,
        "delivery_p99_ms": percentile(traffic.seconds, 99) * 1000,
        "behind_seconds": archived_at - delivered_at,
        "lost": missing + wrong + sent - traffic.delivered,
        "cpu_seconds_per_1000": sum(spent.values()) / sent * 1000,
        **{f"cpu_{name}": used / sent * 1000 for name, used in spent.items()},
        "others_cpu": noise,
        **resident,
    }


@asynccontextmanager
async def _devices_and_room(
    port: int, pairs: Sequence[tuple[Session, Session]]
) -> AsyncIterator[None]:
    """Log in a second device for one user of each pair, make absent accounts, join a room."""
    async with AsyncExitStack() as stack:
        for sender, recipient in pairs:
            device = await login(port, sender.user, "laptop")
            stack.callback(device.close)
            enable = b"<iq type='set' id='copies'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
            await device.ask(enable, b"id='copies'")
            device.on_data = lambda _: None
            for session in (sender, recipient):
                await register(port, away(session.user))
                await session.ask(_join(session), b"code='110'")
        yield


def _join(session: Session) -> bytes:
    return (
        f"<presence to='{ROOM}/{session.user}'><x xmlns='http://jabber.org/protocol/muc'>"
        "<history maxstanzas='0'/></x></presence>"
    ).encode()


def _stanzas(traffic: Traffic) -> int:
    """Return the number of stanzas that clients sent."""
    return len(traffic.sent_at) + sum(flow.extra_stanzas for flow in traffic.flows)


async def _archived(traffic: Traffic) -> tuple[float, int]:
    """Wait until the last message of each flow is in both archives.

    Return the time of this, and the number of messages that are missing. Servers write an archive
    in order, so all earlier messages are there too.
    """
    await traffic.one_last_each()
    last: dict[Session, set[str]] = {}
    for flow in traffic.flows:
        for session in (flow.sender, flow.recipient):
            last.setdefault(session, set()).add(f"m{flow.numbers[-1]:08x}")
    for session in last:
        session.on_data = None
    results = await asyncio.gather(*(_has(session, ids) for session, ids in last.items()))
    return max(at for at, _ in results), sum(missing for _, missing in results)


async def _has(session: Session, ids: set[str]) -> tuple[float, int]:
    last_seen, since = None, time.perf_counter()
    while True:
        newest = await mam.page(session, mam.query(session, before="", max=LAST))
        now, missing = time.perf_counter(), ids.difference(newest.message_ids)
        if newest.last != last_seen:
            last_seen, since = newest.last, now
        if not missing or now - since > PATIENCE_SECONDS:
            return now, len(missing)
        await asyncio.sleep(POLL_SECONDS)


async def _missed(port: int, traffic: Traffic) -> int:
    """Return the number of messages that the archives of absent users lack."""
    sent = {away(flow.sender.user): flow.to_away for flow in traffic.flows}
    async with AsyncExitStack() as stack:
        sessions = []
        for user in sent:
            sessions.append(await login(port, user))
            stack.callback(sessions[-1].close)
        return (await complete(sessions, sent))[1]
