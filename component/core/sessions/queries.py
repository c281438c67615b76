"""IQs of users through their sessions: as if a client of the user asked."""

from __future__ import annotations

import asyncio
from typing import Literal
from uuid import uuid4

from component.core.access.principals import User
from component.core.errors import Overloaded
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.outgoing import Query
from component.core.xml.document_parser import parse
from component.core.xml.stream_parser import Element

#: Seconds until a server has to answer.
ANSWER_SECONDS = 6.0


class UserQueries:
    """Sends IQs of users."""

    def __init__(
        self, sessions: ClientSessions, *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        """`answer_seconds` is how long a server has to answer."""
        self._sessions = sessions
        self._answer_seconds = answer_seconds

    async def get(self, user: User, payload: str, to: str | None = None) -> tuple[Element, bytes]:
        """Return the payload of a result, and its bytes; an empty one is <empty/>.

        `to` is a JID, None: the account of the user. Raises Undelivered if it is refused,
        NotAuthorized, Overloaded.
        """
        return await self._ask(user, "get", payload, to)

    async def set(self, user: User, payload: str, to: str | None = None) -> None:
        """Have something changed. Raises as `get` does."""
        await self._ask(user, "set", payload, to)

    async def _ask(
        self, user: User, type: Literal["get", "set"], payload: str, to: str | None
    ) -> tuple[Element, bytes]:
        query = Query(id=str(uuid4()), to=to, type=type, payload=payload)
        with self._sessions.delivery(user.jid, query) as delivery:
            try:
                async with asyncio.timeout(self._answer_seconds):
                    result = await delivery.wait_taken()
            except TimeoutError as error:
                raise Overloaded("There was no answer in time: try again.") from error
        raw = (result or "<empty/>").encode()
        return parse(raw, keep_depth=_DEPTH), raw


#: A slot of an upload has <slot>, <put>, <header>; a data form <query>, <x>, <field>, <value>.
_DEPTH = 4
