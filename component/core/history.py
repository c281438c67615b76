"""Reading an archive: what may be asked for, and how much of it is given. XEP-0313, XEP-0059."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from component.core import audit
from component.core.access import Access
from component.core.errors import BadRequest
from component.core.refusals import refusals
from storage.interface import Archive
from storage.rows import ANY, Filter, Page, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which part of an archive is wanted."""

    wanted: Filter = ANY
    max: int | None = None  #: how many messages at most; None: as many as is usual here
    after: str | None = None  #: only messages behind this id
    before: str | None = None  #: only messages before this id
    backwards: bool = False  #: the last of them rather than the first
    index: int | None = None  #: skip so many of all that match; not together with the three above


class Settling(Protocol):
    """Whatever archives are written by."""

    async def settled(self) -> None:
        """Return when all that was taken before the call can be read."""
        ...


class History:
    """Archives, for those who may read them."""

    def __init__(
        self,
        archive: Archive,
        writer: Settling,
        access: Access,
        *,
        page_default: int,
        page_max: int,
    ) -> None:
        self._archive = archive
        self._writer = writer
        self._access = access
        self._page_default = page_default
        self._page_max = page_max

    async def read(self, requester: str, owner: str, query: Query) -> Page:
        """Return a page of an archive to someone, addressed by bare JIDs.

        It holds all that was taken before the call. Raises Forbidden, ItemNotFound, BadRequest,
        NotImplementedHere, Overloaded.
        """
        with refusals():
            asked = audit.described(query.wanted, after=query.after, before=query.before)
        await self._access.authorize(requester, owner, audit.reading(query.wanted), asked)
        limit = self._limit(query)
        await self._writer.settled()
        with refusals():
            return await self._archive.page(
                owner,
                query.wanted,
                limit=limit,
                after=query.after,
                before=query.before,
                backwards=query.backwards,
                index=query.index,
                counted=True,
            )

    async def metadata(self, requester: str, owner: str) -> tuple[Stored, Stored] | None:
        """Return the first and the last message of an archive, None when it is empty.

        Raises Forbidden, Overloaded.
        """
        await self._access.authorize(requester, owner, "read", "first and last message")
        await self._writer.settled()
        with refusals():
            return await self._archive.bounds(owner)

    def _limit(self, query: Query) -> int:
        limit = self._page_default if query.max is None else min(query.max, self._page_max)
        if limit < 0:
            raise BadRequest("max is a number of messages, 0 or more")
        if query.index is not None:
            if query.index < 0:
                raise BadRequest("index is a place in the result set, 0 or more")
            if query.after is not None or query.before is not None or query.backwards:
                raise BadRequest("a page is found by index, or by before and after")
        return limit
