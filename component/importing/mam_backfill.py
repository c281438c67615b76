"""Asks ejabberd's mod_mam for what passed in a time, as each of its users.

mod_mam answers `urn:xmpp:mam:1` still, while `urn:xmpp:mam:2` is delegated to Muniment. ejabberd
has to accept tokens of Muniment as passwords.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from component.core.accounts.c2s import C2s
from component.core.backfill.source import Span
from component.core.importing.records import BadSource, SourcePage, UnreadableRecord
from component.core.xml.times import format_time
from component.importing.mam import MamUser, Refused, open_session

_NAMESPACE = "urn:xmpp:mam:1"

#: If ejabberd refuses so many users, and has accepted none, it accepts no tokens at all.
REFUSALS = 3

_REFUSED = (
    "ejabberd refuses the tokens of Muniment: its auth_method needs jwt, with the key of"
    " tokens.key_file"
)

#: Returns up to some number of users in order of their JIDs, behind one. Raises Overloaded.
NextUsers = Callable[[str, int], Awaitable[tuple[str, ...]]]

#: Users that are listed at once.
LISTED = 200


class MamBackfill:
    """`core.backfill.source.BackfillSource` over sessions of users."""

    has_rooms = False

    def __init__(
        self,
        address: str,
        port: int,
        issue_token: Callable[[str], str],
        next_users: NextUsers,
    ) -> None:
        """`issue_token` returns a password of a user, which ejabberd accepts."""
        self._c2s = C2s(address, port)
        self._issue_token = issue_token
        self._next_users = next_users
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
        """Yield the pages of all users, from the one with whom an earlier run has begun.

        Raises Refused if all users are refused.
        """
        refused: Refused | None = None
        refusals, has_accepted = 0, False
        async for user in self._users(begun):
            place = json.dumps([user, None])
            try:
                async with aclosing(self._pages_of(user, span, last)) as pages:
                    async for page in pages:
                        yield page
                has_accepted = True
            except Refused as error:
                refused, refusals = error, refusals + 1
                if refusals >= REFUSALS and not has_accepted:
                    raise
                refusal = UnreadableRecord(owner=user, where="login", reason=str(error))
                yield SourcePage(unreadable=(refusal,), place=place)
            last = None
        if refused is not None and not has_accepted:
            raise refused

    async def _users(self, begun: str) -> AsyncIterator[str]:
        """Yield all users, from the one with whom an earlier run has begun."""
        if begun:
            yield begun
        while users := await self._next_users(begun, LISTED):
            for user in users:
                yield user
            begun = users[-1]

    async def _pages_of(
        self, user: str, span: Span, after: str | None
    ) -> AsyncGenerator[SourcePage, None]:
        fields = {"start": format_time(span.begins_at), "end": format_time(span.ends_at)}
        login = MamUser(jid=user, password=self._issue_token(user))
        async with open_session(login, self._c2s) as session:
            # So the place goes on also at users who have nothing.
            yield SourcePage(place=json.dumps([user, after]))
            pages = session.pages(user, "", (_NAMESPACE,), after, fields)
            async for records, unreadable, last in pages:
                yield SourcePage(
                    records=records, unreadable=unreadable, place=json.dumps([user, last])
                )


def _place(after: str | None) -> tuple[str, str | None]:
    """Return the user and the id of the last message of a page, "": at the beginning."""
    if not after:
        return "", None
    try:
        user, last = json.loads(after)
    except (ValueError, TypeError) as error:
        raise BadSource(f"this is no place in the archives of users: {after}") from error
    return str(user), None if last is None else str(last)
