"""Ask the XMPP server for users without an account; implements `Recipients` of deliveries.

There is no query for this. But ejabberd silently drops a headline to a user who is away, and
answers one to a user who does not exist with an error (RFC 6121 section 8.5.1). These headlines
have no body and ask not to be stored, so a client shows nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from xml.sax.saxutils import quoteattr

from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.xmpp.connection.addresses import of_host_for_iq
from component.xmpp.connection.gate import NS_COMPONENT
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.exchange import HINTS

#: Seconds to wait for an answer.
PATIENCE_SECONDS = 10.0


class RecipientQueries:
    """Asks about some users at a time. Calls must not overlap."""

    def __init__(self, stream: Stream, host: str) -> None:
        """`host` is one of the virtual hosts, which answers a ping."""
        self._stream = stream
        self._host = host
        self._users_by_id: dict[str, str] = {}  # by the ids of the headlines
        self._missing: set[str] = set()
        path = f"{{{NS_COMPONENT}}}message/{{{NS_COMPONENT}}}error"
        stream.register_handler(Callback("recipients", MatchXPath(path), self._note_error))

    async def missing(self, users: Collection[str]) -> frozenset[str] | None:
        """Return the users without an account, None if the server does not answer."""
        self._missing = set()
        self._users_by_id = {self._stream.new_id(): user for user in users}
        try:
            with self._stream.expecting(self._users_by_id):
                await self._stream.send_text("".join(map(self._headline_xml, self._users_by_id)))
                # ejabberd works in order: when it answers the ping, it has handled the headlines.
                is_answered = await self._stream.ping(
                    of_host_for_iq(self._host), patience=PATIENCE_SECONDS
                )
                return frozenset(self._missing) if is_answered else None
        finally:
            self._users_by_id = {}

    def _headline_xml(self, id: str) -> str:
        sender, user = quoteattr(str(self._stream.boundjid)), quoteattr(self._users_by_id[id])
        head = f"<message type='headline' id={quoteattr(id)} from={sender} to={user}>"
        return f"{head}{HINTS}</message>"

    def _note_error(self, message: StanzaBase) -> None:
        user = self._users_by_id.get(str(message["id"]))
        if user is not None:
            self._missing.add(user)
