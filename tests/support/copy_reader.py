"""Read a stream of copies as the component does, from the gate to the queue."""

from __future__ import annotations

from collections.abc import Sequence

from component.core.archiving.policy import Policy
from component.core.hosts import Hosts
from component.core.xml.stream_parser import Element
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.gate import Gate
from component.xmpp.copies.service_log import ServiceLog
from storage.rows import NewMessage
from support.deliveries import DeliveryBench
from support.wire import HANDSHAKE, HEADER, HOST


class CopyReader:
    """An open stream, the copies parsed from it, and the queued messages."""

    def __init__(self, *, remembers: bool = True, header: str = HEADER + HANDSHAKE) -> None:
        """Without `remembers` no copy is skipped as a repeat."""
        self._ingest = DeliveryBench(self).ingest(Policy(), [HOST])
        self._log = ServiceLog(self._ingest, Addresses(), Hosts([HOST]))
        self._remembers = remembers
        self._gate = Gate(
            self._take,
            lambda _: None,
            max_bytes=1_000_000,
            max_depth=64,
            is_repeated=self._is_repeated,
        )
        self.copies: list[str] = []  #: the stanzas in those that were read
        self.scanned: list[bytes] = []  #: stanzas that the gate asked about
        self.work: list[NewMessage] = []
        self.read(header)

    def read(self, *texts: str | bytes) -> CopyReader:
        """Feed each text as if it was received at once."""
        for text in texts:
            self._gate.feed(text.encode() if isinstance(text, str) else text)
        return self

    @property
    def archived(self) -> list[tuple[str, str]]:
        """The owner and the XML of each message that was queued."""
        return [(message.owner, message.xml) for message in self.work]

    def put(self, work: Sequence[NewMessage]) -> None:
        """Keep the queued messages."""
        self.work += work

    async def wait_durable(self, owner: str | None = None) -> None:
        """Return at once: nothing is written."""

    def _take(self, host: str, stanza: Element, raw: bytes) -> None:
        self.copies.append(raw.decode())
        self._log.take(host, stanza, raw)

    def _is_repeated(self, host: str, stanza: bytes) -> bool:
        self.scanned.append(stanza)
        return self._remembers and self._ingest.is_repeated(host, stanza)
