"""A bare component that answers every archive query with the same page: the limit of the way.

Run as `python -m benchmarks.servers.constant_page PORT SECRET`. It parses nothing that it can
find by search.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from typing import cast

from support.ports import LOOPBACK

from benchmarks.loading.dialogue import stanza
from benchmarks.servers.ejabberd import COMPONENT, HOST

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


def page(message: str) -> bytes:
    """Return a whole answer, with names in capitals for what a query decides."""
    ids = [hashlib.sha256(bytes([n])).hexdigest()[:22] for n in range(PAGE)]
    names = {"component": COMPONENT, "host": HOST}
    results = [
        _RESULT.format(**names, id=id, second=n, message=message) for n, id in enumerate(ids)
    ]
    return "".join([*results, _FIN.format(**names, first=ids[0], last=ids[-1])]).encode()


class Component(asyncio.Protocol):
    """Speaks just enough of XEP-0114, XEP-0030 and XEP-0355."""

    def __init__(self, secret: str, message: str) -> None:
        self._secret = secret
        self._page = page(message)
        self._buffer = b""
        self.ended = asyncio.Event()
        self._privilege = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            b"<stream:stream xmlns='jabber:component:accept' "
            b"xmlns:stream='http://etherx.jabber.org/streams' to='%s'>" % COMPONENT.encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        if not self._privilege:
            self._greet(data)
        if b"disco#info" in data:
            for found in _DISCO.finditer(data):
                outer = dict(_ATTRIBUTE.findall(found["outer"]))
                self._transport.write(_disco(outer, found["node"]))
        end = max(data.rfind(b"</message>"), data.rfind(b"</iq>"), data.rfind(b"stream:stream"))
        if b"<delegation " in data:
            end = max(end, self._answer(data))
        self._buffer = data[max(end, 0) :]

    def _greet(self, data: bytes) -> None:
        if stream := re.search(rb"<stream:stream [^>]*?\bid='([^']*)'", data):
            digest = hashlib.sha1(stream[1] + self._secret.encode()).hexdigest()  # noqa: S324
            self._transport.write(f"<handshake>{digest}</handshake>".encode())
        if found := _PRIVILEGE.search(data):
            self._privilege = found[1]
            print("ready")

    def _answer(self, data: bytes) -> int:
        """Answer the queries in some data; return where the last one ended."""
        end = 0
        for found in _QUERY.finditer(data):
            end = found.end()
            inner = dict(_ATTRIBUTE.findall(found["inner"]))
            outer = dict(_ATTRIBUTE.findall(found["outer"]))
            self._transport.write(
                self._page.replace(b"ASKER", inner[b"from"])
                .replace(b"OWNER", inner[b"to"])
                .replace(b"QUERYID", found["queryid"])
                .replace(b"PRIVILEGE", self._privilege)
                .replace(b"OUTER", outer[b"id"])
                .replace(b"INNER", inner[b"id"])
                .replace(b"DELEGATION", found["delegation"])
            )
        return end


def _disco(outer: dict[bytes, bytes], node: bytes) -> bytes:
    feature = b"<feature var='urn:xmpp:mam:2'/>" if b":bare:" in node else b""
    return (
        b"<iq type='result' id='%s' from='%s' to='%s'>"
        b"<query xmlns='http://jabber.org/protocol/disco#info' node='%s'>"
        b"<identity category='component' type='archive'/>%s</query></iq>"
        % (outer[b"id"], outer[b"to"], outer[b"from"], node, feature)
    )


async def main(port: int, secret: str) -> None:
    """Serve until the connection ends."""
    message = stanza("owner", 1)
    _, component = await asyncio.get_running_loop().create_connection(
        lambda: Component(secret, message), LOOPBACK, port
    )
    await component.ended.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
