"""Stanzas that wait for users who are offline, where the XMPP server leaves them to us."""

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
from storage.people import Offline, OfflineStanza

log = logging.getLogger(__name__)


class OfflineStanzas:
    """Keeps them, and gives them out once."""

    def __init__(self, offline: Offline, jids: Jids) -> None:
        self._offline = offline
        self._jids = jids
        self._returning: set[asyncio.Task[None]] = set()

    async def keep(self, owner: str, *, peer: str, packet: str, timestamp: str) -> None:
        """Keep one durably; the same one again changes nothing. Raises BadRequest, Overloaded."""
        with naming("timestamp"):
            at = parse_time(timestamp)
        with naming("peer"):
            sender = self._jids.prepare(peer)
        waiting = OfflineStanza(peer=sender, stanza=_stanza(packet), at=at)
        with translated():
            await self._offline.add(owner, waiting)

    async def count(self, owner: str) -> int:
        """Return how many wait. Raises Overloaded."""
        with translated():
            return await self._offline.count(owner)

    async def pop(self, owner: str) -> tuple[OfflineStanza, ...]:
        """Take out all of them, oldest first. Raises Overloaded.

        Whoever stops waiting for them gets none, and they stay.
        """
        taking = asyncio.ensure_future(self._offline.pop(owner))
        try:
            with translated():
                return await asyncio.shield(taking)
        except asyncio.CancelledError:
            task = asyncio.create_task(self._put_back(owner, taking))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)
            raise

    async def drop(self, owner: str) -> None:
        """Throw all of them away. Raises Overloaded."""
        with translated():
            await self._offline.pop(owner)

    async def settled(self) -> None:
        """Return when all that nobody took is back."""
        await asyncio.gather(*self._returning)

    async def _put_back(
        self, owner: str, taking: asyncio.Future[tuple[OfflineStanza, ...]]
    ) -> None:
        try:
            for one in await taking:
                await self._offline.add(owner, one)
        except StorageError:
            log.exception("stanzas for %s were taken by nobody, and are lost", owner)


def _stanza(packet: str) -> str:
    try:
        raw = standalone(packet.strip().encode())
        parse_xml(raw, keep_depth=0)
    except (Malformed, UnicodeEncodeError) as error:
        raise BadRequest(f"packet: {error}") from error
    return packet
