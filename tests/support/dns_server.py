"""A DNS server on 127.0.0.1 whose answers a test sets (RFC 1035)."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

_TYPES = {"A": 1, "AAAA": 28, "SRV": 33}
_NAMES = {number: name for name, number in _TYPES.items()}
_TTL_SECONDS = 0
_NXDOMAIN = 3


class DnsServer(asyncio.DatagramProtocol):
    """Answers questions about names, each of its answers in turn; the last one is repeated."""

    def __init__(self) -> None:
        #: How often each record was asked for, by name and type.
        self.questions: Counter[tuple[str, str]] = Counter()
        self._answers: dict[tuple[str, str], deque[Sequence[str]]] = {}
        self._silent: set[str] = set()

    def set(self, name: str, type: str, *answers: Sequence[str]) -> None:
        """Set the answers about a name; an SRV record is `priority weight port target`."""
        self._answers[(name, type)] = deque(answers)

    def silence(self, name: str) -> None:
        """Do not answer questions about a name."""
        self._silent.add(name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def port(self) -> int:
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def datagram_received(self, data: bytes, address: object) -> None:
        name, end = _name(data, 12)
        (number,) = struct.unpack_from("!H", data, end)
        type = _NAMES.get(number, str(number))
        self.questions[(name, type)] += 1
        if name in self._silent:
            return
        answers = self._answers.get((name, type), deque([()]))
        records = answers.popleft() if len(answers) > 1 else answers[0]
        is_known = any(known == name for known, _ in self._answers)
        # QR, AA, RD and RA.
        flags = 0x8580 | (0 if is_known else _NXDOMAIN)
        header = data[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
        body = b"".join(_record(number, record) for record in records)
        self._transport.sendto(header + data[12 : end + 4] + body, address)


def _name(data: bytes, offset: int) -> tuple[str, int]:
    """Return a name without compression, and the offset behind it."""
    labels = []
    while length := data[offset]:
        labels.append(data[offset + 1 : offset + 1 + length].decode().lower())
        offset += 1 + length
    return ".".join(labels), offset + 1


def _encoded(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _record(type: int, value: str) -> bytes:
    """Return a record about the name of the question, which is at offset 12."""
    if type == _TYPES["SRV"]:
        priority, weight, port, target = value.split()
        data = struct.pack("!3H", int(priority), int(weight), int(port)) + _encoded(target)
    else:
        data = ip_address(value).packed
    return struct.pack("!HHHIH", 0xC00C, type, 1, _TTL_SECONDS, len(data)) + data


@asynccontextmanager
async def dns_server() -> AsyncIterator[DnsServer]:
    """Run a DNS server on a free port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(DnsServer, ("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
