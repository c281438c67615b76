"""Conversations with a ledger of their messages, which each archive has to have."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from support.mam import ArchiveResult
from support.raw import Client


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Messages of one sender to one recipient, each with a text of its own."""

    name: str
    sender: Client
    to: str
    count: int
    archives: Sequence[str]  #: bare JIDs of the archives that have to have the messages
    readers: Sequence[Client] = ()  #: the clients that receive each message at once
    said_by: str = ""  #: the sender's address in the messages, if it is not its JID
    type: str = "chat"


class Ledger:
    """The sent messages, with their archives and their order."""

    def __init__(self) -> None:
        self.count = 0
        #: texts by archive and flow
        self._expected: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        #: sender and type by text
        self._facts: dict[str, tuple[str, str]] = {}

    async def run(self, flows: Sequence[Flow]) -> None:
        """Send all flows at the same time; return when the server has delivered them."""
        sent = await asyncio.gather(*(self._send(flow) for flow in flows))
        for flow, bodies in zip(flows, sent, strict=True):
            await flow.sender.settled(seconds=60)
            for reader in flow.readers:
                await reader.wait_for_bodies(bodies, seconds=60)

    def bodies(self, archive: str, flow: str) -> list[str]:
        """Return the texts of one flow that an archive has to have so far."""
        return list(self._expected[archive][flow])

    def check(self, archive: str, results: Sequence[ArchiveResult]) -> None:
        """Fail unless an archive has exactly its messages, once each and in order."""
        flows = self._expected[archive]
        bodies = [message.body or "" for message in results]
        expected = [body for flow in flows.values() for body in flow]
        assert sorted(bodies) == sorted(expected), _difference(bodies, expected)
        for name, sent in flows.items():
            assert [body for body in bodies if _flow_of(body) == name] == sent
        for message in results:
            assert (message.sender, message.type) == self._facts[message.body or ""]
        stamps = [message.stamp for message in results]
        assert stamps == sorted(stamps), "an archive is in the order of arrival"

    async def _send(self, flow: Flow) -> list[str]:
        sent = []
        for _ in range(flow.count):
            body = f"{flow.name} #{self.count}"
            self.count += 1
            sent.append(body)
            self._facts[body] = (flow.said_by or flow.sender.jid, flow.type)
            flow.sender.say(flow.to, body, type=flow.type)
            # Other flows of this connection may send in between.
            await asyncio.sleep(0)
        for archive in flow.archives:
            self._expected[archive][flow.name] += sent
        return sent


def _flow_of(body: str) -> str:
    return body.partition(" #")[0]


def _difference(bodies: list[str], expected: list[str]) -> str:
    missing = [body for body in expected if body not in bodies]
    surplus = [body for body in bodies if body not in expected]
    twice = {body for body in bodies if bodies.count(body) > 1}
    return f"missing {missing}, surplus {surplus}, more than once {twice}"


async def say_in_turn(hers: Client, his: Client, count: int) -> None:
    """Have two users come on line and send "message 0" and so on in turn; `his` begins."""
    await hers.be_available()
    await his.be_available()
    for n in range(count):
        sender, recipient = (hers, his) if n % 2 else (his, hers)
        sender.say(recipient.account.jid, f"message {n}")
        await recipient.wait_for_body(f"message {n}")
