"""A bare component that answers every archive query with the same page, as an upper limit.

Run as `python -m benchmarks.servers.constant_page PORT SECRET`. It searches for values instead of
parsing, writes a page at once, and skips the copies of its own results, which gather meanwhile as
they do for Muniment.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from collections.abc import Mapping
from typing import cast

import uvloop
from support.ports import LOOPBACK

from benchmarks.loading.dialogue import stanza
from benchmarks.servers.ejabberd import COMPONENT, HOST
from component.xmpp.connection.fair_reader import FairReader

PAGE = 50

_QUERY = re.compile(
    rb"<iq (?P<outer>[^>]*)><delegation xmlns='(?P<delegation>[^']*)'><forwarded [^>]*>"
    rb"<iq (?P<inner>[^>]*)><query [^>]*?queryid='(?P<queryid>[^']*)'"
)
_DISCO = re.compile(
    rb"<iq (?P<outer>[^>]*)><query (?=[^>]*disco#info)[^>]*?node='(?P<node>[^']*)'"
)
_PRIVILEGE = re.compile(rb"<privilege xmlns='(urn:xmpp:privilege:\d)'")
_ATTRIBUTE = re.compile(rb"(id|from|to)='([^']*)'")

_RESULT = """\
<message from='{component}' to='{host}'><privilege xmlns='PRIVILEGE'>\
<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='OWNER' to='ASKER'>\
<result xmlns='urn:xmpp:mam:2' queryid='QUERYID' id='{id}'>\
<forwarded xmlns='urn:xmpp:forward:0'>\
<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:{second:02d}.000000Z'/>{message}\
</forwarded></result><no-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/>\
</message></forwarded></privilege></message>"""

_FIN = """\
<iq type='result' id='OUTER' from='{component}' to='{host}'><delegation xmlns='DELEGATION'>\
<forwarded xmlns='urn:xmpp:forward:0'>\
<iq xmlns='jabber:client' type='result' id='INNER' from='OWNER' to='ASKER'>\
<fin xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>\
<first>{first}</first><last>{last}</last><count>100000</count></set></fin>\
</iq></forwarded></delegation></iq>"""


_NAMES = re.compile("(ASKER|OWNER|QUERYID|PRIVILEGE|OUTER|INNER|DELEGATION)")


def page(message: str) -> list[str]:
    """Return a whole answer in pieces; every second piece is the name of a value of the query."""
    ids = [hashlib.sha256(bytes([n])).hexdigest()[:22] for n in range(PAGE)]
    names = {"component": COMPONENT, "host": HOST}
    results = [
        _RESULT.format(**names, id=id, second=n, message=message) for n, id in enumerate(ids)
    ]
    return _NAMES.split("".join([*results, _FIN.format(**names, first=ids[0], last=ids[-1])]))


class Component(asyncio.Protocol):
    """Implements the necessary parts of XEP-0114, XEP-0030 and XEP-0355."""

    def __init__(self, secret: str, message: str) -> None:
        self._secret = secret
        self._page = page(message)
        self._buffer = b""
        self.ended = asyncio.Event()
        self._privilege = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._intake = FairReader(self._transport, self._read)
        self._transport.write(
            b"<stream:stream xmlns='jabber:component:accept' "
            b"xmlns:stream='http://etherx.jabber.org/streams' to='%s'>" % COMPONENT.encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        self._intake.take(data)

    def _read(self, data: bytes) -> None:
        data = self._buffer + data
        if not self._privilege:
            self._greet(data)
        if b"disco#info" in data:
            for match in _DISCO.finditer(data):
                outer = _attributes(match["outer"])
                self._transport.write(_disco(outer, match["node"].decode()).encode())
        end = max(data.rfind(b"</message>"), data.rfind(b"</iq>"), data.rfind(b"stream:stream"))
        if b"<delegation " in data:
            end = max(end, self._answer(data))
        self._buffer = data[max(end, 0) :]

    def _greet(self, data: bytes) -> None:
        if stream := re.search(rb"<stream:stream [^>]*?\bid='([^']*)'", data):
            digest = hashlib.sha1(stream[1] + self._secret.encode()).hexdigest()  # noqa: S324
            self._transport.write(f"<handshake>{digest}</handshake>".encode())
        if match := _PRIVILEGE.search(data):
            self._privilege = match[1].decode()
            print("ready")

    def _answer(self, data: bytes) -> int:
        """Answer the queries in some data; return the index behind the last one."""
        end = 0
        for match in _QUERY.finditer(data):
            end = match.end()
            inner, outer = _attributes(match["inner"]), _attributes(match["outer"])
            text = self._text(
                {
                    "ASKER": inner["from"],
                    "OWNER": inner["to"],
                    "QUERYID": match["queryid"].decode(),
                    "PRIVILEGE": self._privilege,
                    "OUTER": outer["id"],
                    "INNER": inner["id"],
                    "DELEGATION": match["delegation"].decode(),
                }
            )
            self._transport.write(text.encode())
            self._intake.note_sent(text)
        return end

    def _text(self, values: Mapping[str, str]) -> str:
        pieces = self._page.copy()
        pieces[1::2] = [values[name] for name in pieces[1::2]]
        return "".join(pieces)


def _attributes(written: bytes) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in _ATTRIBUTE.findall(written)}


def _disco(outer: Mapping[str, str], node: str) -> str:
    feature = "<feature var='urn:xmpp:mam:2'/>" if ":bare:" in node else ""
    return (
        f"<iq type='result' id='{outer['id']}' from='{outer['to']}' to='{outer['from']}'>"
        f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>"
        f"<identity category='component' type='archive'/>{feature}</query></iq>"
    )


async def main(port: int, secret: str) -> None:
    """Serve until the connection ends."""
    message = stanza("owner", 1)
    _, component = await asyncio.get_running_loop().create_connection(
        lambda: Component(secret, message), LOOPBACK, port
    )
    await component.ended.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
