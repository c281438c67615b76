"""Ask other processes of Muniment whether they have written the copies that they got.

The question goes through the server, from the domain of one process to that of another. So it is
behind all copies that the server gave to the other one before, and is read after them.

<iq type='get'><written xmlns='urn:muniment:processes' joined='1767225600000000'/></iq>
"""

from __future__ import annotations

from collections.abc import Collection
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from component.core.archiving.joining import Joining
from component.core.errors import BadRequest, UnknownService
from component.xmpp.connection.addresses import of_host_for_iq
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.exchange import Exchange

NS = "urn:muniment:processes"
WRITTEN = f"{{{NS}}}written"

#: The digits of a time in microseconds.
DIGITS_MAX = 18


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

    def __init__(self, joining: Joining, processes: Collection[str]) -> None:
        """`processes` are the domains of all processes."""
        self._joining = joining
        self._processes = frozenset(processes)

    async def answer(self, type: str, payload: Element, exchange: Exchange) -> str:
        """Return the answer as soon as it is true. Raises Refused."""
        asker = exchange.requester
        if type != "get" or asker not in self._processes:
            raise UnknownService
        joined_at = payload.get("joined", "")
        if not joined_at.isdecimal() or len(joined_at) > DIGITS_MAX:
            raise BadRequest("joined is a number of microseconds")
        await self._joining.wait_written(asker, int(joined_at))
        return exchange.result("")
