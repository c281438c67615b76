"""Rows that a server itself has written: the templates of all other rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from benchmarks.loading.dialogue import Line
from benchmarks.xmpp import login, register

OWNER = "templateowner"
PEER = "templatepeer"
ID = "templateid"
BODY = "templatebody"

#: A row of the table. In the first template the owner is the sender, in the second the recipient.
Row = Mapping[str, object]


async def make(port: int) -> None:
    """Have two users send each other a message, so that the archive gets its templates."""
    for user in (OWNER, PEER):
        await register(port, user)
    owner, peer = [await login(port, user, "phone") for user in (OWNER, PEER)]
    for sender, recipient in ((owner, peer), (peer, owner)):
        sender.send(
            f"<message to='{recipient.jid}' type='chat' id='{ID}'><body>{BODY}</body>"
            "<active xmlns='http://jabber.org/protocol/chatstates'/></message>".encode()
        )
        await recipient.until(b"</message>")
    # The archive may be written after the delivery.
    await asyncio.sleep(1)
    for session in (owner, peer):
        session.close()


def fill(template: Row, owner: str, line: Line) -> dict[str, object]:
    """Return a copy of a template with the owner and the content of another message."""
    changes = {OWNER: owner, PEER: line.peer, ID: line.id, BODY: line.body}
    return {name: _changed(value, changes) for name, value in template.items()}


def _changed(value: object, changes: Mapping[str, str]) -> object:
    if isinstance(value, str):
        for old, new in changes.items():
            value = value.replace(old, new)
    return value
