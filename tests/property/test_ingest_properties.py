"""Copies in any number and order store each message once, in the right archives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from support.builders import MINUTE, NOON, delay, everything, message, stanza, texts
from support.deliveries import DeliveryBench

from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.xml.times import format_time
from storage.interface import Archive

EXAMPLES = count()


@dataclass(frozen=True)
class Sent:
    """A sent message; users are numbers, and their hosts are ours or not."""

    number: int
    sender: int
    recipient: int
    resource: str
    type: str
    id: bool

    @property
    def has_one_copy(self) -> bool:
        """Whether the server makes only one copy, because no client of its own sent the message.

        A room, and a user of another server, sends a message to a session once.
        """
        return self.type == "groupchat" or (self.sender == 4 and self.resource != "")

    def text(self, address: Callable[[int], str], at: int | None = None) -> str:
        """Return a copy; with `at` it was in the offline store since that time."""
        sender, to = f"{address(self.sender)}/s", address(self.recipient) + self.resource
        if self.type == "groupchat":
            # From a room, to each resource of an occupant.
            sender = f"room@conference.example.org/{self.sender}"
        host = to.partition("@")[2].partition("/")[0]
        return message(
            f"message {self.number}",
            sender=sender,
            to=to,
            id=f"m{self.number}" if self.id else None,
            type=self.type,
            extra="" if at is None else delay(host, format_time(at)),
        )


#: Users 0 to 3 are ours, on two hosts; 4 is not.
def addresses(example: int) -> Callable[[int], str]:
    hosts = ["example.org", "example.org", "example.net", "example.net", "remote.example"]
    return lambda user: f"user{user}.{example}@{hosts[user]}"


MESSAGES = st.lists(
    st.builds(
        Sent,
        number=st.integers(0, 3),
        sender=st.integers(0, 4),
        recipient=st.integers(0, 4),
        resource=st.sampled_from(["", "/r1", "/r2"]),
        type=st.sampled_from(["chat", "groupchat"]),
        id=st.booleans(),
    ),
    max_size=25,
)


def expected(messages: list[Sent], user: int) -> list[str]:
    """Return the bodies in the archive of a user, computed without dedup keys."""
    bodies: dict[object, str] = {}
    for sent in messages:
        is_room = sent.type == "groupchat"
        if user != 4 and (user == sent.recipient or (user == sent.sender and not is_room)):
            identity = (
                sent.number,
                sent.sender,
                sent.recipient,
                sent.type,
                sent.id,
            )
            key = (identity, "" if is_room else sent.resource)
            bodies.setdefault(key, f"message {sent.number}")
    return list(bodies.values())


@given(
    messages=MESSAGES,
    restarts=st.sets(st.integers(0, 24), max_size=3),
    delayed=st.sets(st.integers(0, 24), max_size=5),
)
def test_copies_in_any_order_store_each_message_once(
    runner: asyncio.Runner,
    archive: Archive,
    messages: list[Sent],
    restarts: set[int],
    delayed: set[int],
) -> None:
    address = addresses(next(EXAMPLES))

    async def check() -> None:
        writer = Writer(archive)
        delivering = DeliveryBench(writer)
        for place, sent in enumerate(messages):
            if place == 0 or place in restarts:
                delivering.deliveries.decide()
                delivering = DeliveryBench(writer)
                ingest = delivering.ingest(Policy(), ["example.org", "example.net"])
            is_repeat = sent in messages[:place]
            # A copy from the offline store comes later and has the time of its storing.
            is_late = place in delayed and sent.type != "groupchat" and is_repeat
            if is_repeat and not is_late and sent.has_one_copy:
                continue
            text = sent.text(address, NOON if is_late else None)
            ingest.take(stanza(text), NOON + (500 * MINUTE if is_late else place))
        delivering.deliveries.decide()
        writer.stop()
        await writer.run()

        for user in range(5):
            bodies = texts(await everything(archive, address(user)))
            assert sorted(stanza(xml).body or "" for xml in bodies) == sorted(
                expected(messages, user)
            )

    runner.run(check())
