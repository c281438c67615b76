"""Commands about archives: pages of messages, preferences, erasure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from component.core.access.principals import User
from component.core.archiving.preferences import Preferences
from component.core.ejabberd_api.own.request import OwnRequest
from component.core.ejabberd_api.results import DONE
from component.core.errors import BadRequest, Conflict, Forbidden
from component.core.reading.pages import PageQuery
from component.core.reading.reader import ArchiveReader
from component.core.reading.views import FOLDED_KINDS, ReadableMessage
from component.core.retention.admin import ArchiveAdmin
from component.core.xml.jids import Jids, bare, resource
from component.core.xml.times import parse_time
from storage.rows import Filter, PreferencesRow

RAW, FOLDED = "raw", "folded"
VIEWS = (RAW, FOLDED)

ASCENDING, DESCENDING = "asc", "desc"
ORDERS = (ASCENDING, DESCENDING)

#: Writes a message as the archive API does.
ToJson = Callable[[ReadableMessage], dict[str, Any]]


class ArchiveCommands:
    """Reads archives, and reads and changes preferences."""

    def __init__(
        self,
        jids: Jids,
        reader: ArchiveReader,
        preferences: Preferences,
        archives: ArchiveAdmin,
        to_json: ToJson,
        *,
        erasure_seconds: float,
    ) -> None:
        """`erasure_seconds` is how long an answer waits for an erasure, which then continues."""
        self._jids = jids
        self._reader = reader
        self._preferences = preferences
        self._archives = archives
        self._to_json = to_json
        self._erasure_seconds = erasure_seconds

    async def retrieve(self, request: OwnRequest) -> dict[str, Any]:
        """Return a page of the archive of a user."""
        peer = None
        if request.text("with"):
            peer = self._prepared(request, "with")
        return await self._page(request, request.account(self._jids), peer)

    async def room_messages(self, request: OwnRequest) -> dict[str, Any]:
        """Return a page of the archive of a room, or of its messages in the user's archive."""
        room, principal = request.room(self._jids), request.principal
        try:
            return await self._page(request, room, None)
        except Forbidden:
            if not isinstance(principal, User):
                raise
            return await self._page(request, principal.jid, room)

    async def preferences(self, request: OwnRequest) -> dict[str, Any]:
        """Return the archiving preferences of a user."""
        return _preferences(await self._preferences.of(request.account(self._jids)))

    async def set_preferences(self, request: OwnRequest) -> dict[str, Any]:
        """Set the archiving preferences of a user, and return those that apply now."""
        owner = request.account(self._jids)
        row = PreferencesRow(
            owner=owner,
            default=request.text("default"),
            always=request.all("always"),
            never=request.all("never"),
        )
        return _preferences(await self._preferences.set(owner, row))

    async def erase(self, request: OwnRequest) -> int:
        """Erase the archive of a user and all other data of the user.

        With a peer, blank the messages of the conversation only.
        """
        owner, erasure = request.account(self._jids), self._archives.erasure
        if request.text("with"):
            peer = bare(self._prepared(request, "with"))
            removed = await erasure.blank_conversation(
                owner, peer, wait_seconds=self._erasure_seconds
            )
        else:
            removed = await erasure.erase(owner, wait_seconds=self._erasure_seconds)
        if not removed.done:
            raise Conflict(f"The archive of {owner} is large: its erasure continues.")
        return DONE

    async def _page(self, request: OwnRequest, owner: str, peer: str | None) -> dict[str, Any]:
        query, is_folded = self._query(request, peer), _choice(request, "view", VIEWS) == FOLDED
        page = await self._reader.readable_page(request.principal, owner, query, folded=is_folded)
        ids = [item.message.stored.id for item in page.items]
        return {
            "messages": [self._to_json(item) for item in page.items],
            "count": page.count,
            "next": None if page.complete or not ids else ids[-1],
            "complete": page.complete,
        }

    def _query(self, request: OwnRequest, peer: str | None) -> PageQuery:
        """Return the query for a page. Raises BadRequest."""
        limit = request.arguments.get("limit")
        if isinstance(limit, int) and limit < 1:
            raise BadRequest("limit: expected a whole number from 1 on")
        is_folded = _choice(request, "view", VIEWS) == FOLDED
        return PageQuery(
            filter=Filter(
                peer=None if peer is None else bare(peer),
                resource=None if peer is None else resource(peer) or None,
                since=_time(request, "start"),
                until=_time(request, "end"),
                kinds=FOLDED_KINDS if is_folded else None,
            ),
            limit=limit if isinstance(limit, int) else None,
            after=request.text("after") or None,
            before=request.text("before") or None,
            backwards=_choice(request, "order", ORDERS) == DESCENDING,
            counted=True,
        )

    def _prepared(self, request: OwnRequest, name: str) -> str:
        try:
            return self._jids.prepare(request.text(name))
        except BadRequest as error:
            raise BadRequest(f"{name}: {error.message}") from error


def _choice(request: OwnRequest, name: str, choices: tuple[str, ...]) -> str:
    """Return an argument that is one of some words; the first one is the default."""
    word = request.text(name) or choices[0]
    if word not in choices:
        raise BadRequest(f"{name}: expected one of {', '.join(choices)}")
    return word


def _time(request: OwnRequest, name: str) -> int | None:
    """Return a time in microseconds since the epoch, None if it is not given."""
    text = request.text(name)
    if not text:
        return None
    try:
        return parse_time(text)
    except BadRequest as error:
        raise BadRequest(f"{name}: {error.message}") from error


def _preferences(row: PreferencesRow) -> dict[str, Any]:
    return {"default": row.default, "always": list(row.always), "never": list(row.never)}
