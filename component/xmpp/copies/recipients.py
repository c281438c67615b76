"""Find the users for whom the XMPP server keeps no message; implements `Recipients`.

No stanza asks ejabberd whether there is an account. But a headline to somebody who is away is
dropped without a word, and one to nobody is refused (RFC 6121 section 8.5.1). It has no body and
asks to be stored nowhere, so whoever is on line sees nothing of it.
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

#: How long an answer is waited for.
PATIENCE_SECONDS = 10.0


class RecipientQueries:
    """Asks the server, one question at a time."""

    def __init__(self, stream: Stream, host: str) -> None:
        """`host` is one of the virtual hosts: it answers what was asked of all."""
        self._stream = stream
        self._host = host
        self._asked: dict[str, str] = {}  # by the ids of what was sent
        self._missing: set[str] = set()
        path = f"{{{NS_COMPONENT}}}message/{{{NS_COMPONENT}}}error"
        stream.register_handler(Callback("recipients", MatchXPath(path), self._refused))

    async def missing(self, users: Collection[str]) -> frozenset[str] | None:
        """Return those users that there are not, None where the server does not answer."""
        self._missing = set()
        self._asked = {self._stream.new_id(): user for user in users}
        try:
            with self._stream.expecting(self._asked):
                await self._stream.send_text("".join(map(self._question, self._asked)))
                # ejabberd works in order: when it answers a ping it has done with the headlines.
                is_answered = await self._stream.ping(
                    of_host_for_iq(self._host), patience=PATIENCE_SECONDS
                )
                return frozenset(self._missing) if is_answered else None
        finally:
            self._asked = {}

    def _question(self, id: str) -> str:
        addresses = f"from={quoteattr(str(self._stream.boundjid))} to={quoteattr(self._asked[id])}"
        return f"<message type='headline' id={quoteattr(id)} {addresses}>{HINTS}</message>"

    def _refused(self, message: StanzaBase) -> None:
        user = self._asked.get(str(message["id"]))
        if user is not None:
            self._missing.add(user)
