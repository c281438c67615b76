"""Copies in any number and order are each message once, in the right archives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from support.builders import MINUTE, NOON, delay, everything, message, stanza, texts
from support.deliveries import Delivering

from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.xml.times import format_time
from storage.interface import Archive

EXAMPLES = count()


@dataclass(frozen=True)
class Sent:
    """A message as it was sent; users are counted, hosts are ours or not."""

    number: int
    sender: int
    recipient: int
    resource: str
    type: str
    id: bool

    @property
    def has_one_copy(self) -> bool:
        """Whether the server makes one copy only: of what no client of its own has sent.

        A room, and a user of another server, sends a message to a session once.
        """
        return self.type == "groupchat" or (self.sender == 4 and self.resource != "")

    def text(self, address: Callable[[int], str], at: int | None = None) -> str:
        """Return a copy, one from the offline store when it was kept there at a time."""
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


def expected(seen: list[Sent], user: int) -> list[str]:
    """Return the bodies in the archive of a user, told without keys and sides."""
    found: dict[object, str] = {}
    for one in seen:
        is_room = one.type == "groupchat"
        if user != 4 and (user == one.recipient or (user == one.sender and not is_room)):
            what = (one.number, one.sender, one.recipient, one.type, one.id)
            key = (what, "" if is_room else one.resource)
            found.setdefault(key, f"message {one.number}")
    return list(found.values())


@given(
    seen=MESSAGES,
    restarts=st.sets(st.integers(0, 24), max_size=3),
    kept=st.sets(st.integers(0, 24), max_size=5),
)
def test_copies_in_any_order_store_each_message_once(
    runner: asyncio.Runner, archive: Archive, seen: list[Sent], restarts: set[int], kept: set[int]
) -> None:
    address = addresses(next(EXAMPLES))

    async def check() -> None:
        writer = Writer(archive)
        delivering = Delivering(writer)
        for place, one in enumerate(seen):
            if place == 0 or place in restarts:
                delivering.deliveries.decide()
                delivering = Delivering(writer)
                ingest = delivering.ingest(Policy(), ["example.org", "example.net"])
            is_repeat = one in seen[:place]
            # Copies from the offline store come later, and say when they were taken.
            is_late = place in kept and one.type != "groupchat" and is_repeat
            if is_repeat and not is_late and one.has_one_copy:
                continue
            text = one.text(address, NOON if is_late else None)
            ingest.take(stanza(text), NOON + (500 * MINUTE if is_late else place))
        delivering.deliveries.decide()
        writer.stop()
        await writer.run()

        for user in range(5):
            found = texts(await everything(archive, address(user)))
            assert sorted(stanza(xml).body or "" for xml in found) == sorted(expected(seen, user))

    runner.run(check())
