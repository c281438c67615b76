"""Export archives, by XEP-0227 (Portable Import/Export Format, version 1.1) or as JSON lines.

An export reads page by page, from the message that was the oldest at its beginning to the one that
was the newest then. It has no messages that retention deletes meanwhile. An erasure of the archive
ends the export with an error.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from xml.sax.saxutils import escape, quoteattr

from component.core.archiving.writer import Queue
from component.core.errors import Conflict
from component.core.reading.follow import Follower, Followers
from component.core.reading.pages import PAGE_MAX_BYTES
from component.core.rosters.contacts import is_shown
from component.core.rosters.stanzas import roster_xml
from component.core.store_errors import translated
from component.core.xml import jids
from component.core.xml.namespaces import in_client_namespace
from component.core.xml.times import format_time
from storage.errors import NotFound
from storage.interface import Storage
from storage.rows import ArchivedMessage, Direction, Page, PreferencesRow

#: The number of messages in memory at once.
PAGE = 200

_ERASED = "The archive was erased during its export: the export is not complete."

_PIE = "urn:xmpp:pie:0"
_ARCHIVE = "urn:xmpp:pie:0#mam"
_MAM = "urn:xmpp:mam:2"


class Export:
    """Exports archives for callers that are authorized already.

    No message from before `since` (microseconds) is exported.
    """

    def __init__(self, storage: Storage, queue: Queue, followers: Followers) -> None:
        self._storage = storage
        self._queue = queue
        self._followers = followers

    async def json_lines(
        self, owner: str, *, since: int = 0, author: str | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield an archive as JSON lines: one object for each message, in the order of arrival.

        `author` selects the messages in the archive of a room that this user wrote.
        Raises Overloaded, and Conflict if the archive is erased meanwhile.
        """
        async for messages in self._pages(owner):
            yield b"".join(
                _line(owner, message)
                for message in messages
                if message.at >= since and author in (None, message.author)
            )

    async def portable(self, owner: str, *, since: int = 0) -> AsyncGenerator[bytes]:
        """Yield an archive in the format of XEP-0227, with the preferences of its owner.

        The preferences are an extension: XEP-0227 allows elements of other namespaces anywhere. A
        roster in our own store is included; the server exports the rosters that it has. Blanked
        messages have no stanza to forward and are left out. Raises as `json_lines` does.
        """
        roster, preferences = await self._roster(owner), await self._preferences(owner)
        yield (
            f"<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='{_PIE}'>\n"
            f"<host jid={quoteattr(jids.domain(owner))}>\n"
            f"<user name={quoteattr(jids.local(owner))}>\n"
            f"{roster}{preferences}<archive xmlns='{_ARCHIVE}'>\n"
        ).encode()
        async for messages in self._pages(owner):
            yield "".join(
                _result(message) for message in messages if message.xml and message.at >= since
            ).encode()
        yield b"</archive>\n</user>\n</host>\n</server-data>\n"

    async def _pages(self, owner: str) -> AsyncGenerator[Sequence[ArchivedMessage]]:
        await self._queue.wait_readable(owner)
        with self._followers.follow(owner) as follower:
            with translated():
                ends = await self._storage.archive.first_and_last(owner)
            _refuse_if_erased(follower)
            if ends is None:
                return
            first, last = ends
            if first.id == last.id:
                yield (first,)
                return
            page = await self._behind(owner, first.position, follower, limit=PAGE - 1)
            messages = (first, *page.messages)
            while True:
                ids = [message.id for message in messages]
                has_end = last.id in ids
                yield messages[: ids.index(last.id) + 1 if has_end else None]
                if has_end or page.complete:
                    return
                page = await self._behind(owner, messages[-1].position, follower)
                messages = page.messages

    async def _behind(self, owner: str, id: str, follower: Follower, *, limit: int = PAGE) -> Page:
        with translated():
            try:
                page = await self._storage.archive.page_after(
                    owner, id, limit=limit, max_bytes=PAGE_MAX_BYTES
                )
            except NotFound as error:
                raise Conflict(_ERASED) from error
        _refuse_if_erased(follower)
        return page

    async def _roster(self, owner: str) -> str:
        with translated():
            contacts = await self._storage.contacts.roster(owner)
        shown_contacts = tuple(filter(is_shown, contacts))
        return f"{roster_xml(shown_contacts)}\n" if shown_contacts else ""

    async def _preferences(self, owner: str) -> str:
        with translated():
            preferences = await self._storage.preferences.get(owner)
        return "" if preferences is None else _prefs(preferences)


def _refuse_if_erased(follower: Follower) -> None:
    """Raise Conflict if the archive was erased since the follower began."""
    if follower.is_erased:
        raise Conflict(_ERASED)


def _line(owner: str, message: ArchivedMessage) -> bytes:
    peer = f"{message.peer}/{message.resource}" if message.resource else message.peer
    is_sent = message.direction is Direction.SENT
    fields = {
        "id": message.id,
        "time": format_time(message.at),
        "from": owner if is_sent else peer,
        "to": peer if is_sent else owner,
        "direction": message.direction.value,
        "type": message.type,
        "kind": message.kind.value,
        "xml": message.xml,
    }
    return f"{json.dumps(fields, ensure_ascii=False)}\n".encode()


def _result(message: ArchivedMessage) -> str:
    return (
        f"<result xmlns='{_MAM}' id='{message.id}'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<delay xmlns='urn:xmpp:delay' stamp='{format_time(message.at)}'/>"
        f"{in_client_namespace(message.xml)}</forwarded></result>\n"
    )


def _prefs(preferences: PreferencesRow) -> str:
    lists = "".join(
        f"<{name}>{''.join(f'<jid>{escape(jid)}</jid>' for jid in listed)}</{name}>"
        for name, listed in (("always", preferences.always), ("never", preferences.never))
    )
    return f"<prefs xmlns='{_MAM}' default='{preferences.default}'>{lists}</prefs>\n"
