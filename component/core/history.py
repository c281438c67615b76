"""Reading an archive: who may, and how pages are cut. XEP-0313 section 4, XEP-0059."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from component.core import jids
from component.core.errors import BadRequest, Forbidden, ItemNotFound, Overloaded
from component.core.writer import Writer
from storage.errors import NotFound, Rejected, StorageError
from storage.interface import Archive
from storage.rows import ANY, Filter, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which part of an archive is wanted."""

    wanted: Filter = ANY
    max: int | None = None  #: how many messages at most; None: as many as is usual here
    after: str | None = None  #: only messages behind this id
    before: str | None = None  #: only messages before this id
    backwards: bool = False  #: the last of them rather than the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A page, and how many messages match in all, where that is known without counting."""

    page: Page
    count: int | None = None


class History:
    """The archives of the users of some virtual hosts."""

    def __init__(
        self,
        archive: Archive,
        writer: Writer,
        hosts: Collection[str],
        *,
        page_default: int,
        page_max: int,
    ) -> None:
        self._archive = archive
        self._writer = writer
        self._hosts = frozenset(hosts)
        self._page_default = page_default
        self._page_max = page_max

    async def read(self, requester: str, owner: str, query: Query) -> Answer:
        """Return a page of an archive to someone, addressed by bare JIDs.

        It holds all that was taken before the call. Raises Forbidden, ItemNotFound, BadRequest.
        """
        self._authorize(requester, owner)
        limit = self._page_default if query.max is None else min(query.max, self._page_max)
        if limit < 0:
            raise BadRequest("max is a number of messages, 0 or more")
        await self._writer.settled()
        try:
            page = await self._archive.page(
                owner,
                query.wanted,
                limit=limit,
                after=query.after,
                before=query.before,
                backwards=query.backwards,
            )
            count = None
            if query.wanted == ANY or limit == 0:
                count = await self._archive.count(owner, query.wanted)
        except NotFound as error:
            raise ItemNotFound(f"no message of this archive has the id {error}") from error
        except Rejected as error:
            raise BadRequest("the query has a value that no archive can hold") from error
        except StorageError as error:
            raise Overloaded from error
        return Answer(page=page, count=count)

    def _authorize(self, requester: str, owner: str) -> None:
        # The server asks us about everybody's archive for anybody: it checks nothing itself.
        if requester != owner or jids.domain(owner) not in self._hosts or not jids.local(owner):
            raise Forbidden
