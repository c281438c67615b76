"""Archives for those who may read them: everybody their own, and rooms. XEP-0313."""

from __future__ import annotations

from dataclasses import replace

from component.core.access.authorize import Access
from component.core.reading.pages import PageQuery, Pager
from storage.rows import ArchivedMessage, Page


class History:
    """Archives, for those who may read them. Who asks, and whose they are, are bare JIDs."""

    def __init__(self, pages: Pager, access: Access) -> None:
        self._pages = pages
        self._access = access

    async def read(self, requester: str, owner: str, query: PageQuery) -> Page:
        """Return a page of an archive to someone, with how many messages match in all.

        It holds all that was taken before the call. Raises Forbidden, ItemNotFound, BadRequest,
        NotImplementedHere, TakesTooLong, Overloaded.
        """
        said = query.described()
        since = await self._access.authorize(requester, owner, query.action, said)
        return await self._pages.read(owner, replace(query, counted=True), since=since)

    async def metadata(
        self, requester: str, owner: str
    ) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message of an archive, None when it is empty.

        Raises Forbidden, Overloaded.
        """
        since = await self._access.authorize(requester, owner, "read", "first and last message")
        return await self._pages.bounds(owner, since=since)
