"""A room of ejabberd with two users in it, and its archive at the component."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from xml.sax.saxutils import escape

from support import mam
from support.mam_payloads import archive_at
from support.raw import Client
from support.server import Server
from support.stanzas import body_of

NS_MUC = "http://jabber.org/protocol/muc"
CONFIG = f"{NS_MUC}#roomconfig"


@dataclass(frozen=True)
class Room:
    """A room in which alice and bob talk under these nicknames."""

    address: str
    archive: str  #: the address of its archive
    alice: Client  #: its owner
    bob: Client

    async def say(self, sender: Client, *bodies: str, extra: str = "") -> list[str]:
        """Send messages to the room, wait until they come back, and return their ids."""
        ids = []
        for body in bodies:
            ids.append(sender.say(self.address, body, type="groupchat", extra=extra))
            await sender.wait_for(
                lambda stanza, body=body: (
                    body_of(stanza) == body
                    and (stanza.get("from") or "").startswith(f"{self.address}/")
                )
            )
        return ids

    async def numbers(self, count: int) -> None:
        """Have both users send 1, 2, 3 and so on in turn."""
        for number in range(1, count + 1):
            await self.say(self.alice if number % 2 else self.bob, str(number))

    async def query(self, client: Client, **page: object) -> mam.Page:
        """Read a page of its archive; page as in support.mam."""
        return await mam.query(client, to=self.archive, **page)  # type: ignore[arg-type]

    async def leave(self, client: Client, nick: str) -> None:
        """Leave the room, and wait until the room confirms it."""
        address = f"{self.address}/{nick}"
        client.send(f"<presence type='unavailable' to='{address}'/>")
        await client.wait_for(
            lambda stanza: stanza.get("type") == "unavailable" and stanza.get("from") == address
        )

    async def configure(self, **fields: str) -> None:
        """Have the owner set fields of the configuration, named without their prefix."""
        await self.alice.ask("set", _configuration(fields), to=self.address)


@asynccontextmanager
async def open_room(
    server: Server, address: str, alice: Client, bob: Client, configuration: Mapping[str, str]
) -> AsyncIterator[Room]:
    """Open a room with alice in it, and with bob unless its configuration refuses him."""
    archive = archive_at(server.ejabberd.component, address)
    room = Room(address, archive, alice, bob)
    await alice.join(address, "alice")
    if configuration:
        await room.configure(**configuration)
    if not {"membersonly", "passwordprotectedroom"} & configuration.keys():
        await bob.join(address, "bob")
    yield room


def _configuration(fields: Mapping[str, str]) -> str:
    written = "".join(
        f"<field var='muc#roomconfig_{name}'><value>{escape(value)}</value></field>"
        for name, value in fields.items()
    )
    return (
        f"<query xmlns='{NS_MUC}#owner'><x xmlns='jabber:x:data' type='submit'>"
        f"<field var='FORM_TYPE'><value>{CONFIG}</value></field>{written}</x></query>"
    )


async def joined_anew(client: Client, room: str, nick: str) -> None:
    """Enter a room that has just ended; repeat it, because an ending room loses stanzas."""
    for _ in range(5):
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                return await client.join(room, nick)
    raise AssertionError(f"{room} cannot be entered")
