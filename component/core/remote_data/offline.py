"""Offline stanzas, which wait for users: an XMPP server may have us store them."""

from __future__ import annotations

import asyncio
import logging

from component.core.errors import BadRequest
from component.core.remote_data.posts import naming
from component.core.store_errors import translated
from component.core.xml.document_parser import parse as parse_xml
from component.core.xml.jids import Jids
from component.core.xml.namespaces import standalone
from component.core.xml.stream_parser import Malformed
from component.core.xml.times import parse_time
from storage.errors import StorageError
from storage.interface import Offline
from storage.rows import OfflineStanza

log = logging.getLogger(__name__)


class OfflineStanzas:
    """Stores stanzas for offline users, and returns each stanza once."""

    def __init__(self, offline: Offline, jids: Jids) -> None:
        self._offline = offline
        self._jids = jids
        self._returning: set[asyncio.Task[None]] = set()

    async def add(self, owner: str, *, peer: str, packet: str, timestamp: str) -> None:
        """Store a stanza durably; a repeated stanza changes nothing.

        `peer` is the JID of the sender, `packet` the stanza, `timestamp` when the server received
        it. Raises BadRequest, Overloaded.
        """
        with naming("timestamp"):
            at = parse_time(timestamp)
        with naming("peer"):
            sender = self._jids.prepare(peer)
        stanza = OfflineStanza(peer=sender, stanza=_checked(packet), at=at)
        with translated():
            await self._offline.add(owner, stanza)

    async def count(self, owner: str) -> int:
        """Return the number of stanzas for a user. Raises Overloaded."""
        with translated():
            return await self._offline.count(owner)

    async def pop(self, owner: str) -> tuple[OfflineStanza, ...]:
        """Remove and return all stanzas for a user, the oldest first. Raises Overloaded.

        If the call is cancelled, the stanzas are put back.
        """
        popping = asyncio.ensure_future(self._offline.pop(owner))
        try:
            with translated():
                return await asyncio.shield(popping)
        except asyncio.CancelledError:
            task = asyncio.create_task(self._put_back(owner, popping))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)
            raise

    async def delete_all(self, owner: str) -> None:
        """Delete all stanzas for a user. Raises Overloaded."""
        with translated():
            await self._offline.pop(owner)

    async def wait_for_returns(self) -> None:
        """Wait until the stanzas of cancelled calls are put back."""
        await asyncio.gather(*self._returning)

    async def _put_back(
        self, owner: str, popping: asyncio.Future[tuple[OfflineStanza, ...]]
    ) -> None:
        try:
            for stanza in await popping:
                await self._offline.add(owner, stanza)
        except StorageError:
            log.exception("offline stanzas for %s could not be put back, and are lost", owner)


def _checked(packet: str) -> str:
    try:
        raw = standalone(packet.strip().encode())
        parse_xml(raw, keep_depth=0)
    except (Malformed, UnicodeEncodeError) as error:
        raise BadRequest(f"packet: {error}") from error
    return packet
