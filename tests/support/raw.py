"""A small XMPP client on a socket: fast, exact, and able to send any bytes."""

from __future__ import annotations

import asyncio
import base64
from asyncio import Future, StreamReader, StreamWriter, Task
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext
from typing import Self
from uuid import uuid4
from xml.etree.ElementTree import Element, XMLPullParser
from xml.sax.saxutils import escape, quoteattr

from support.ejabberd import Account
from support.ports import LOOPBACK
from support.stanzas import CLIENT, Refused, body_of, local_name

CARBONS = "urn:xmpp:carbons:2"
SECONDS = 30.0

Predicate = Callable[[Element], bool]


class Lost(Exception):
    """The stream has ended."""


class Client:
    """A session of an account. `async with` logs in, and closes the stream at the end."""

    def __init__(
        self,
        account: Account,
        port: int,
        resource: str = "phone",
        *,
        tls: SSLContext | None = None,
    ) -> None:
        """`tls` is for a port that begins with TLS."""
        self.account = account
        self.jid = f"{account.jid}/{resource}"
        #: every stanza so far
        self.received: list[Element] = []
        #: further attributes of the stream header
        self.header = ""
        self._port = port
        self._resource = resource
        self._tls = tls
        self._handlers: list[Callable[[Element], None]] = []
        self._answers: dict[str, Future[Element]] = {}
        self._parser = XMLPullParser(("start", "end"))
        self._depth = 0
        self._is_closed = False
        self._failure: Exception | None = None
        self._reader: StreamReader
        self._writer: StreamWriter
        self._reading: Task[None]

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            LOOPBACK,
            self._port,
            ssl=self._tls,
            server_hostname=self.account.host if self._tls else None,
        )
        self._reading = asyncio.create_task(self._read())
        try:
            await self.log_in()
        except BaseException:
            await self.abort()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(Lost, ConnectionError, TimeoutError):
            self.send("</stream:stream>")
            async with asyncio.timeout(SECONDS):
                await self._reading
        await self.abort()

    async def abort(self) -> None:
        """Cut the connection without closing the stream."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        self._writer.transport.abort()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def send(self, xml: str) -> None:
        """Send text unchanged."""
        if self._failure is not None:
            raise Lost(f"{self.jid}: {self._failure}") from self._failure
        self._writer.write(xml.encode())

    def say(
        self,
        to: str | None,
        body: str,
        *,
        id: str | None = "",
        type: str = "chat",
        extra: str = "",
    ) -> str:
        """Send a message and return its id: a new one if `id` is "", none if it is None."""
        id = uuid4().hex if id == "" else id
        attributes = {"to": to, "id": id, "type": type}
        written = "".join(f" {k}={quoteattr(v)}" for k, v in attributes.items() if v is not None)
        self.send(f"<message{written}><body>{escape(body)}</body>{extra}</message>")
        return id or ""

    @contextmanager
    def listening(self, handler: Callable[[Element], None]) -> Iterator[None]:
        """Also call a function with every stanza during the block."""
        self._handlers.append(handler)
        try:
            yield
        finally:
            self._handlers.remove(handler)

    async def wait_for(self, predicate: Predicate, seconds: float = SECONDS) -> Element:
        """Return the first received or future stanza for which `predicate` is true."""
        for stanza in self.received:
            if predicate(stanza):
                return stanza
        return await self.wait_for_next(predicate, seconds)

    async def wait_for_next(self, predicate: Predicate, seconds: float = SECONDS) -> Element:
        """Return the first stanza after this call for which `predicate` is true."""
        result: Future[Element] = asyncio.get_running_loop().create_future()

        def look(stanza: Element) -> None:
            if not result.done() and predicate(stanza):
                result.set_result(stanza)

        with self.listening(look):
            return await self._answer(result, seconds)

    async def wait_for_body(self, body: str, seconds: float = SECONDS) -> Element:
        """Return the message with that text."""
        return await self.wait_for(lambda stanza: body_of(stanza) == body, seconds)

    async def wait_for_bodies(self, bodies: Iterable[str], seconds: float = SECONDS) -> None:
        """Return when a message with each of these texts has arrived."""
        missing = set(bodies) - {body_of(stanza) for stanza in self.received}

        def is_last(stanza: Element) -> bool:
            missing.discard(body_of(stanza) or "")
            return not missing

        if missing:
            await self.wait_for_next(is_last, seconds)

    async def ask(
        self, type: str, payload: str, *, to: str | None = None, seconds: float = SECONDS
    ) -> Element:
        """Send an IQ and return its result. Raises Refused."""
        id = uuid4().hex
        answer: Future[Element] = asyncio.get_running_loop().create_future()
        self._answers[id] = answer
        addressed = "" if to is None else f" to={quoteattr(to)}"
        self.send(f"<iq type='{type}' id='{id}'{addressed}>{payload}</iq>")
        stanza = await self._answer(answer, seconds)
        if stanza.get("type") == "error":
            raise Refused(stanza)
        return stanza

    async def settled(self, seconds: float = SECONDS) -> None:
        """Return when the server has handled all stanzas sent before this call."""
        await self.ask(
            "get", "<ping xmlns='urn:xmpp:ping'/>", to=self.account.host, seconds=seconds
        )

    async def be_available(self) -> None:
        """Send presence, and wait until the server has handled it."""
        self.send("<presence/>")
        await self.wait_for(lambda s: s.tag == f"{CLIENT}presence" and s.get("from") == self.jid)

    async def enable_carbons(self) -> None:
        """Enable carbon copies of messages of other resources (XEP-0280)."""
        await self.ask("set", f"<enable xmlns='{CARBONS}'/>")

    async def join(self, room: str, nick: str) -> None:
        """Enter a room, and wait for its subject, which comes last."""
        self.send(
            f"<presence to={quoteattr(f'{room}/{nick}')}>"
            "<x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        await self.wait_for(
            lambda stanza: (
                stanza.find(f"{CLIENT}subject") is not None
                and (stanza.get("from") or "").startswith(room)
            )
        )

    async def log_in(self) -> None:
        """Open the stream, authenticate, and begin a session."""
        await self.open_stream("{urn:ietf:params:xml:ns:xmpp-sasl}mechanisms")
        credentials = base64.b64encode(f"\0{self.account.user}\0{self.account.password}".encode())
        self.send(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
            f"{credentials.decode()}</auth>"
        )
        await self.wait_for(lambda s: s.tag == "{urn:ietf:params:xml:ns:xmpp-sasl}success")
        self._parser = XMLPullParser(("start", "end"))
        self._depth = 0
        await self.open_stream("{urn:ietf:params:xml:ns:xmpp-bind}bind")
        await self.bind()

    async def bind(self) -> None:
        """Bind a resource, after the authentication."""
        await self.ask(
            "set",
            "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            f"<resource>{escape(self._resource)}</resource></bind>",
        )

    async def open_stream(self, offered: str) -> None:
        """Open a stream, and return when the server offers this feature."""
        self.send(
            "<stream:stream xmlns='jabber:client' version='1.0' "
            f"xmlns:stream='http://etherx.jabber.org/streams' to='{self.account.host}' "
            f"{self.header}>"
        )
        await self.wait_for(lambda s: local_name(s) == "features" and s.find(offered) is not None)

    async def _read(self) -> None:
        try:
            while not self._is_closed and (data := await self._reader.read(65536)):
                self._feed(data)
            self._failure = Lost("the server has closed the stream")
        except Exception as error:
            self._failure = error

    def _feed(self, data: bytes) -> None:
        parser = self._parser
        parser.feed(data)
        for event, element in parser.read_events():
            if event == "start":
                self._depth += 1
                continue
            self._depth -= 1
            if self._depth == 1:
                self._take(element)
            self._is_closed = self._depth == 0

    def _take(self, stanza: Element) -> None:
        self.received.append(stanza)
        if stanza.get("id") in self._answers and stanza.get("type") in ("result", "error"):
            self._answers.pop(stanza.get("id", "")).set_result(stanza)
        for handler in list(self._handlers):
            handler(stanza)

    async def _answer(self, answer: Future[Element], seconds: float) -> Element:
        """Wait for an answer, or for the end of the stream."""
        await asyncio.wait(
            [answer, self._reading], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done():
            return answer.result()
        answer.cancel()
        if self._failure is not None:
            raise Lost(f"{self.jid}: {self._failure}") from self._failure
        raise TimeoutError(f"{self.jid}: not within {seconds:g} s; received {self._summary()}")

    def _summary(self) -> str:
        last = [f"{local_name(s)} {s.attrib} {body_of(s)}"[:200] for s in self.received[-5:]]
        return f"{len(self.received)} stanzas, the last ones {last}"
