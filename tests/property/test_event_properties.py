"""A snapshot and the events behind it are a later snapshot, whatever happens to the account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archives import Talk, correct, displayed, react, received, retract
from support.builders import message
from support.events import Replica
from support.http_services import HOST, SETTINGS, open_services

from component.core.events.values import ContactPresence
from component.web.events import events_json
from component.web.server.settings import Services, events_of
from storage.rows import Contact, DisplayedMarker

PEERS = (f"bob@{HOST}", "romeo@remote.example")
OWNERS = (f"user{number}@{HOST}" for number in count())
KINDS = ("say", "correct", "retract", "react", "receive", "display")


class Step(NamedTuple):
    """Something that happens to an account."""

    kind: str
    peer: str
    is_sent: bool = False
    about: int = 0  #: the message that it is about, counted from the last one
    value: int = 0


MESSAGES = st.builds(
    Step,
    st.sampled_from(("say", *KINDS)),
    st.sampled_from(PEERS),
    st.booleans(),
    st.integers(0, 4),
)
OTHERS = st.builds(
    Step,
    st.sampled_from(
        (
            *("contact", "removal", "unpushed contact", "presence", "absence", "marker"),
            *("request", "answer", "refusal"),
        )
    ),
    st.sampled_from(PEERS),
    about=st.integers(0, 4),
    value=st.integers(0, 2),
)
STEPS = st.lists(MESSAGES | OTHERS, min_size=2, max_size=12)

#: With them, later steps have something to change.
FIRST_STEPS = [Step("contact", peer) for peer in PEERS] + [Step("say", peer) for peer in PEERS]


@pytest.fixture(scope="module")
def opened(runner: asyncio.Runner) -> Iterator[Services]:
    """One program for all examples; each has an owner of its own."""
    stack = AsyncExitStack()
    yield runner.run(stack.enter_async_context(open_services()))
    runner.run(stack.aclose())


@dataclass
class World:
    """The program, and what happened to one account so far."""

    services: Services
    owner: str

    def __post_init__(self) -> None:
        services = self.services
        self._talk = Talk(services.writer)
        self._names: list[str] = []
        self.reader = events_of(SETTINGS, services)

    async def do(self, step: Step) -> None:
        """Let it happen."""
        journal, contacts = self.services.journal, self.services.storage.contacts
        subscription = ("both", "to", "both")[step.value % 3]
        contact = Contact(jid=step.peer, name=f"name {step.value}", subscription=subscription)
        resource = f"{step.peer}/{step.value}"
        match step.kind:
            case "contact":
                await contacts.put(self.owner, contact)
                journal.note_roster_push(self.owner, [contact], [])
            case "removal":
                await contacts.remove(self.owner, step.peer)
                journal.note_roster_push(self.owner, [], [step.peer])
            case "unpushed contact":
                await contacts.put(self.owner, contact)
                journal.roster_changed(self.owner)
            case "presence":
                show = ("", "away", "dnd")[step.about % 3]
                presence = ContactPresence(jid=resource, is_available=True, show=show)
                journal.note_presence(self.owner, presence)
            case "absence":
                jid = resource if step.about else step.peer
                journal.note_presence(self.owner, ContactPresence(jid=jid, is_available=False))
            case "marker":
                await self._display(step)
            case "request":
                journal.note_request(self.owner, step.peer, f"request {step.value}")
            case "answer":
                journal.note_request_ended(self.owner, step.peer)
            case "refusal":
                journal.note_refusal(
                    self.owner,
                    f"m{step.value}",
                    peer=step.peer,
                    is_message=True,
                    condition="gone",
                    text="",
                )
            case _:
                await self._talk.take(self._stanza(step))

    def _stanza(self, step: Step) -> str:
        name = f"m{len(self._names)}"
        about = self._names[-1 - step.about % len(self._names)] if self._names else "none"
        self._names.append(name)
        ours, theirs = f"{self.owner}/a", f"{step.peer}/b"
        sender, to = (ours, step.peer) if step.is_sent else (theirs, self.owner)
        extra = {
            "say": "",
            "correct": correct(about),
            "retract": retract(about),
            "react": react(about, "♥"),
            "receive": received(about),
            "display": displayed(about),
        }[step.kind]
        body = f"text of {name}" if step.kind in ("say", "correct") else None
        return message(body, sender=sender, to=to, id=name, extra=extra)

    async def _display(self, step: Step) -> None:
        page = await self.services.storage.events.page(self.owner, 0, limit=1000)
        messages = [event for event in page.events if event.message is not None]
        if messages and self.services.displayed is not None:
            event = messages[-1 - step.about % len(messages)]
            assert event.message is not None
            marker = DisplayedMarker(
                owner=self.owner, peer=event.message.peer, id=event.message.id
            )
            self.services.displayed.note([marker])

    async def snapshot(self) -> dict[str, Any]:
        """Return a snapshot as HTTP has it."""
        state = await self.reader.snapshot(self.owner)
        return events_json.snapshot(self.owner, state, xml=True)

    async def read(self, replica: Replica, limit: int) -> bool:
        """Let a replica read a page; return whether this is the last one."""
        page = await self.reader.page(self.owner, replica.cursor, limit)
        events = [events_json.event(item, xml=True) for item in page.events]
        replica.apply({"events": events, "cursor": page.cursor})
        return page.complete


@given(before=STEPS, after=STEPS, limit=st.integers(1, 5), reads=st.sets(st.integers(0, 11)))
def test_snapshot_and_events_are_a_later_snapshot(
    runner: asyncio.Runner,
    opened: Services,
    before: list[Step],
    after: list[Step],
    limit: int,
    reads: set[int],
) -> None:
    """Also if pages are read, or another snapshot is taken, while it happens."""

    async def example() -> None:
        world = World(opened, next(OWNERS))
        await world.snapshot()
        for step in FIRST_STEPS + before:
            await world.do(step)
        first = Replica.of(await world.snapshot())
        second = Replica()
        for number, step in enumerate(after):
            await world.do(step)
            if number in reads:
                await world.read(first, limit)
        for replica in (first, second):
            while not await world.read(replica, limit):
                pass
        last = await world.snapshot()

        # One began with a snapshot, the other with the first event.
        for replica in (first, second):
            assert replica.state == Replica.of(last).state
            assert replica.cursor == last["cursor"]
            assert replica.event_ids == sorted(set(replica.event_ids))

    runner.run(example())


@pytest.mark.parametrize("kind", [*KINDS, "contact", "removal", "presence", "absence", "marker"])
@pytest.mark.parametrize("is_sent", [False, True])
def test_each_kind_of_event_makes_a_later_snapshot(
    runner: asyncio.Runner, opened: Services, kind: str, is_sent: bool
) -> None:
    async def example() -> None:
        world = World(opened, next(OWNERS))
        peer = PEERS[0]
        await world.snapshot()
        for step in (
            Step("contact", peer),
            Step("presence", peer),
            Step("say", peer),
            Step("say", peer, is_sent),
        ):
            await world.do(step)
        before = await world.snapshot()
        replica = Replica.of(before)

        await world.do(Step(kind, peer, is_sent, value=int(kind in ("contact", "presence"))))
        await world.read(replica, 10)

        after = await world.snapshot()
        assert replica.state == Replica.of(after).state
        is_marker_of_own = kind == "marker" and is_sent
        assert bool(replica.event_ids) != is_marker_of_own
        assert replica.cursor == after["cursor"]

    runner.run(example())
