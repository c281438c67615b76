"""The ingest pipeline over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.messages.fulltext import parse as parse_search
from storage.interface import Archive
from storage.open import open_storage
from storage.rows import ArchivedMessage, Filter, RoomConversation
from support.builders import HOST, NOON, OTHER_HOST, ROOM, everything, stanza
from support.deliveries import DeliveryBench
from support.writer import open_writer


class Intake:
    """A store with its writer, and the ingest pipeline, which `restart` replaces."""

    def __init__(self, archive: Archive, writer: Writer, room_services: Collection[str]) -> None:
        self._archive = archive
        self._writer = writer
        self._room_services = room_services
        self.policy = Policy()
        self.delivering: DeliveryBench = None  # type: ignore[assignment]  # made at each start
        self.restart()

    def restart(self) -> None:
        """Replace the pipeline by a new one, as a restart of the program does."""
        if self.delivering is not None:
            self.delivering.deliveries.decide()
        self.delivering = DeliveryBench(self._writer)
        self._ingest = self.delivering.ingest(self.policy, [HOST, OTHER_HOST], self._room_services)

    def take(self, *texts: str, at: int = NOON, host: str = "") -> None:
        """Take copies that a host made."""
        self.delivering.now = at
        for text in texts:
            self._ingest.take(stanza(text), at, host)

    def come(self, *sessions: str, at: int = NOON, priority: int = 0) -> None:
        """Take available presences of sessions."""
        for jid in sessions:
            self.delivering.sessions.available(jid, priority, at)

    async def pass_time(self, at: int) -> None:
        """Set the clock, and decide the deliveries that are due."""
        self.delivering.now = at
        await self.delivering.deliveries.decide_due()

    async def rows(self, owner: str) -> tuple[ArchivedMessage, ...]:
        """Return an archive after all deliveries are decided."""
        self.delivering.deliveries.decide()
        await self._writer.wait_durable()
        return (await everything(self._archive, owner)).messages

    async def unread(self, owner: str) -> dict[str, int]:
        """Return the unread messages of an owner by peer."""
        self.delivering.deliveries.decide()
        await self._writer.wait_durable()
        page = await self._archive.conversations(owner, limit=100)
        return {conversation.peer: conversation.unread for conversation in page.conversations}

    async def rooms_of(self, jid: str) -> tuple[RoomConversation, ...]:
        """Return the archives of the rooms of the builders, as a user sees them."""
        await self._writer.wait_durable()
        return await self._archive.room_conversations(jid, [ROOM])

    async def search(self, owner: str, words: str) -> tuple[ArchivedMessage, ...]:
        """Return the messages of an archive that match a search."""
        self.delivering.deliveries.decide()
        await self._writer.wait_durable()
        filter = Filter(phrases=parse_search(words))
        return (await everything(self._archive, owner, filter)).messages

    async def xml(self, owner: str) -> list[str]:
        """Return the stanzas of an archive."""
        return [row.xml for row in await self.rows(owner)]


@asynccontextmanager
async def open_intake(room_services: Collection[str] = ()) -> AsyncIterator[Intake]:
    """Open a pipeline over a store in memory."""
    async with (
        open_storage("sqlite::memory:") as storage,
        open_writer(storage.archive) as writer,
    ):
        yield Intake(storage.archive, writer, room_services)
