"""Ask other processes of Muniment whether they have written the copies that they got.

The question goes through the server, from the domain of one process to that of another. So it is
behind all copies that the server gave to the other one before, and is read after them.

<iq type='get'><written xmlns='urn:muniment:processes' joined='1767225600000000'/></iq>
"""

from __future__ import annotations

from collections.abc import Collection

from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.archiving.joining import Joining
from component.core.errors import BadRequest, UnknownService
from component.core.xml import jids
from component.xmpp.connection.addresses import of_host_for_iq
from component.xmpp.connection.admission import RESPONSES
from component.xmpp.connection.gate import NS_COMPONENT
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.errors import refusal
from component.xmpp.queries.exchange import Direct

NS = "urn:muniment:processes"
WRITTEN = f"{{{NS}}}written"


class WrittenQuestions:
    """Asks; implements `core.archiving.joining.Questions`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def has_written(self, process: str, joined_at: int, *, patience: float) -> bool:
        """Return True when the process says so, False after an error or without an answer."""
        payload = f"<written xmlns='{NS}' joined='{joined_at}'/>"
        # Both addresses have a resource, because the answer is an IQ of a component as well.
        sender = of_host_for_iq(str(self._stream.boundjid))
        try:
            answer = await self._stream.ask(
                "get", of_host_for_iq(process), payload, patience=patience, sender=sender
            )
        except (IqError, IqTimeout):
            return False
        return answer is not None


class WrittenAnswers:
    """Answers the other processes, and nobody else."""

    def __init__(self, stream: Stream, joining: Joining, processes: Collection[str]) -> None:
        """`processes` are the domains of all processes."""
        self._stream = stream
        self._joining = joining
        self._processes = frozenset(processes)
        path = MatchXPath(f"{{{NS_COMPONENT}}}iq/{WRITTEN}")
        stream.register_handler(CoroutineCallback("written", path, self._handle))

    async def _handle(self, stanza: StanzaBase) -> None:
        iq = stanza.xml
        if iq.get("type") in RESPONSES:
            return
        exchange = Direct(
            addressee=iq.get("to", ""), asker=iq.get("from", ""), id=iq.get("id", "")
        )
        try:
            asker = jids.domain(exchange.requester)
            if asker != exchange.requester or asker not in self._processes:
                raise UnknownService
            joined_at = iq[0].get("joined", "")
            if not joined_at.isdecimal() or len(joined_at) > 18:
                raise BadRequest("joined is a number of microseconds")
            await self._joining.wait_written(asker, int(joined_at))
            answer = exchange.result("")
        except Exception as error:
            answer = exchange.error(refusal(error, exchange.id, exchange.asker))
        self._stream.send_at_once(answer)
