"""Conversations that note what was said, and so what each archive has to hold."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from support.mam import ArchiveResult
from support.raw import Client


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Messages of one sender to one recipient, each with a text that tells which it is."""

    name: str
    sender: Client
    to: str
    count: int
    archives: Sequence[str]  #: bare JIDs of those who are to find the messages
    readers: Sequence[Client] = ()  #: who receives each message at once
    said_by: str = ""  #: the sender as recipients see it, unless that is its own JID
    type: str = "chat"


class Ledger:
    """What was sent: in which archives it belongs, and in which order it was sent."""

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
        """Return what one flow brought to an archive so far."""
        return list(self._expected[archive][flow])

    def check(self, archive: str, results: Sequence[ArchiveResult]) -> None:
        """Fail unless an archive holds what it has to, once, in order, and nothing else."""
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
            # Let the other flows of this connection in between.
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
    """Have two come online and say "message 0" and so on to each other, he first."""
    await hers.be_available()
    await his.be_available()
    for n in range(count):
        sender, recipient = (hers, his) if n % 2 else (his, hers)
        sender.say(recipient.account.jid, f"message {n}")
        await recipient.wait_for_body(f"message {n}")
