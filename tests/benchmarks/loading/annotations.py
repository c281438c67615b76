"""Corrections, reactions and markers about the newest messages of Muniment's archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.loading.dialogue import line
from benchmarks.servers.ejabberd import HOST
from component.core.remote_data.posts import Post, new_message_of
from component.core.xml.times import format_time
from component.xmpp.connection.addresses import Addresses
from storage.open import open_storage
from storage.rows import Direction

#: The number of the newest messages of an archive that others are about.
ANNOTATED = 50

#: One message in so many was corrected.
CORRECTED_EVERY = 5

_REACTION = "<reactions id='{id}' xmlns='urn:xmpp:reactions:0'><reaction>👍</reaction></reactions>"
_MARKER = "<displayed id='{id}' xmlns='urn:xmpp:chat-markers:0'/>"
_CORRECTION = "<body>corrected</body><replace id='{id}' xmlns='urn:xmpp:message-correct:0'/>"


async def add(database: Path, archives: dict[str, int]) -> None:
    """Add to filled archives, with their sizes by owner, while Muniment does not run.

    Each annotated message is displayed and reacted to by its recipient; some are corrected.
    """
    jids = Addresses()
    async with open_storage(f"sqlite:{database}", synchronous="normal") as storage:
        for owner, size in archives.items():
            posts = _posts(owner, size)
            await storage.archive.append([new_message_of(post, HOST, jids) for post in posts])


def _posts(owner: str, size: int) -> Iterator[Post]:
    last = line(size - 1, size)
    for number in range(size - ANNOTATED, size):
        message = line(number, size)
        payloads = {_MARKER: not message.is_sent, _REACTION: not message.is_sent}
        if number % CORRECTED_EVERY == 0:
            payloads[_CORRECTION] = message.is_sent
        for place, (payload, is_sent) in enumerate(payloads.items()):
            own, peer = f"{owner}@{HOST}", f"{message.peer}@{HOST}"
            sender, recipient = (own, peer) if is_sent else (peer, own)
            yield Post(
                username=owner,
                timestamp=format_time((last.at + 1) * 1_000_000),
                peer=peer,
                direction=Direction.SENT if is_sent else Direction.RECEIVED,
                xml=f"<message from='{sender}/phone' to='{recipient}' type='chat' "
                f"id='a{number:07x}{place}' xmlns='jabber:client'>"
                f"{payload.format(id=message.id)}</message>",
            )
