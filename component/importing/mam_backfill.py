"""Asks ejabberd's mod_mam for what passed in a time: as each user, and for rooms as a member.

mod_mam answers `urn:xmpp:mam:1` of users still, while `urn:xmpp:mam:2` is delegated to Muniment.
ejabberd has to accept tokens of Muniment as passwords.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing

from component.core.accounts.c2s import C2s
from component.core.backfill.source import Span
from component.core.hosts import Hosts
from component.core.importing.records import BadSource, SourcePage, UnreadableRecord
from component.core.xml.times import format_time
from component.importing.mam import NAMESPACES, MamUser, QueryRefused, Refused, open_session

_NAMESPACE = "urn:xmpp:mam:1"

#: If ejabberd refuses so many users, and has accepted none, it accepts no tokens at all.
REFUSALS = 3

#: So many members of a room try to read it.
READERS = 3

_REFUSED = (
    "ejabberd refuses the tokens of Muniment: its auth_method needs jwt, with the key of"
    " tokens.key_file"
)

#: Returns up to some number of owners of archives behind one: users, then rooms.
#: Raises Overloaded.
NextOwners = Callable[[str, int], Awaitable[tuple[str, ...]]]

#: Returns users who may probably enter a room.
ReadersOf = Callable[[str], Awaitable[Sequence[str]]]

#: Owners that are listed at once.
LISTED = 200


class MamBackfill:
    """`core.backfill.source.BackfillSource` over sessions of users."""

    def __init__(
        self,
        address: str,
        port: int,
        hosts: Hosts,
        issue_token: Callable[[str], str],
        next_owners: NextOwners,
        readers_of: ReadersOf,
    ) -> None:
        """`issue_token` returns a password of a user, which ejabberd accepts."""
        self._c2s = C2s(address, port)
        self._hosts = hosts
        self._issue_token = issue_token
        self._next_owners = next_owners
        self._readers_of = readers_of
        self.name = f"mod_mam by {_NAMESPACE} at {address}:{port}"

    async def pages(
        self, span: Span, *, owner: str | None = None, after: str | None = None
    ) -> AsyncGenerator[SourcePage, None]:
        if owner is None:
            pages = self._pages_of_all(span, *_place(after))
        else:
            pages = self._pages_of(owner, span, None)
        async with aclosing(pages):
            try:
                async for page in pages:
                    yield page
            except Refused as error:
                raise BadSource(_REFUSED) from error
            except BadSource as error:
                # What is stored of a gap names no user.
                raise BadSource(str(error).partition(": ")[2] or str(error)) from error

    async def _pages_of_all(
        self, span: Span, begun: str, last: str | None
    ) -> AsyncGenerator[SourcePage, None]:
        """Yield the pages of all archives, from the one with which an earlier run has begun.

        Raises Refused if all users are refused.
        """
        refused: Refused | None = None
        refusals, has_accepted = 0, False
        async for owner in self._owners(begun):
            try:
                async with aclosing(self._pages_of(owner, span, last)) as pages:
                    async for page in pages:
                        yield page
                has_accepted = True
            except Refused as error:
                refused, refusals = error, refusals + 1
                if refusals >= REFUSALS and not has_accepted:
                    raise
                yield _unreadable(owner, error)
            except QueryRefused as error:
                if not self._hosts.is_room(owner):
                    raise
                yield _unreadable(owner, error)
            last = None
        if refused is not None and not has_accepted:
            raise refused

    async def _owners(self, begun: str) -> AsyncIterator[str]:
        """Yield all owners, from the one with which an earlier run has begun."""
        if begun:
            yield begun
        while owners := await self._next_owners(begun, LISTED):
            for owner in owners:
                yield owner
            begun = owners[-1]

    def _pages_of(
        self, owner: str, span: Span, last: str | None
    ) -> AsyncGenerator[SourcePage, None]:
        if self._hosts.is_room(owner):
            return self._pages_of_room(owner, span, last)
        return self._pages_as(owner, owner, span, last)

    async def _pages_of_room(
        self, room: str, span: Span, last: str | None
    ) -> AsyncGenerator[SourcePage, None]:
        failure: BadSource = QueryRefused(f"{room}: nobody is known who may enter the room")
        for reader in list(await self._readers_of(room))[:READERS]:
            try:
                async with aclosing(self._pages_as(reader, room, span, last)) as pages:
                    async for page in pages:
                        yield page
            except (Refused, QueryRefused) as error:
                failure = error
                continue
            return
        raise failure

    async def _pages_as(
        self, user: str, owner: str, span: Span, last: str | None
    ) -> AsyncGenerator[SourcePage, None]:
        """Yield the pages of an archive that a user reads."""
        fields = {"start": format_time(span.begins_at), "end": format_time(span.ends_at)}
        login = MamUser(jid=user, password=self._issue_token(user))
        is_room = owner != user
        room, namespaces = (owner, NAMESPACES) if is_room else ("", (_NAMESPACE,))
        async with open_session(login, self._c2s) as session:
            # So the place goes on also at owners who have nothing.
            yield SourcePage(place=json.dumps([owner, last]))
            pages = session.pages(owner, room, namespaces, last, fields)
            async for records, unreadable, read in pages:
                place = json.dumps([owner, read])
                yield SourcePage(records=records, unreadable=unreadable, place=place)


def _unreadable(owner: str, error: BadSource) -> SourcePage:
    record = UnreadableRecord(owner=owner, where="the archive", reason=str(error))
    return SourcePage(unreadable=(record,), place=json.dumps([owner, None]))


def _place(after: str | None) -> tuple[str, str | None]:
    """Return the owner and the id of the last message of a page, "": at the beginning."""
    if not after:
        return "", None
    try:
        owner, last = json.loads(after)
    except (ValueError, TypeError) as error:
        raise BadSource(f"this is no place in archives: {after}") from error
    return str(owner), None if last is None else str(last)
