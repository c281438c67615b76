"""The component over a real store, connected to a loopback port that plays ejabberd_service.

The test sends and receives the stanzas of the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from component.config import Archive, Config, Http, Xmpp
from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.hosts import Hosts
from component.handlers.functions import Handlers
from component.wiring.app import end
from component.wiring.compose import Parts, compose
from component.wiring.queries import answer_queries
from component.xmpp.commands.adhoc import AdHocCommand
from component.xmpp.connection.connector import Connector, Timeouts
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.dispatch import QueryDispatcher
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import ANY, ArchivedMessage
from storage.spill import Spill
from storage.sqlite.engine.database import DEFAULT_TIMEOUTS, DatabaseTimeouts
from support.accounts import source_of
from support.mam_payloads import archive_query

HOST, OTHER_HOST = "example.org", "example.net"
COMPONENT = "archive.example.org"
SECRET = "open sesame"

ALICE, BOB = f"alice@{HOST}", f"bob@{HOST}"
ALICE_PHONE, BOB_PHONE = f"{ALICE}/phone", f"{BOB}/phone"

NS_CLIENT = "jabber:client"
NS_COMPONENT = "jabber:component:accept"
NS_STREAM = "http://etherx.jabber.org/streams"
NS_FORWARD = "urn:xmpp:forward:0"
NS_MAM = "urn:xmpp:mam:2"
NS_RSM = "http://jabber.org/protocol/rsm"
NS_FORM = "jabber:x:data"
NS_DELAY = "urn:xmpp:delay"
NS_HINTS = "urn:xmpp:hints"
NS_PING = "urn:xmpp:ping"
NS_DISCO = "http://jabber.org/protocol/disco#info"
NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
NS_STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"
PRIVILEGE_1, PRIVILEGE_2 = "urn:xmpp:privilege:1", "urn:xmpp:privilege:2"
DELEGATION_1, DELEGATION_2 = "urn:xmpp:delegation:1", "urn:xmpp:delegation:2"

#: Shared by all tests, because creating one takes a moment.
PASSWORDS = Passwords()

#: The longest wait of a test that fails, on a loaded machine.
DEADLINE_SECONDS = 30.0

#: Long timeouts, so that the component sends no ping in tests of other features.
PATIENCE = Timeouts(ping_interval=60.0, ping_timeout=60.0, reconnect_max=1.0, drain=5.0)

HEADER = (
    f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAM}'"
    " id='3BF96D32' from='archive.example.org' xml:lang='en'>"
)
HANDSHAKE = "<handshake/>"
FOOTER = "</stream:stream>"


class ConnectionClosed(Exception):
    """The component has closed the connection."""


class Peer:
    """One connection of the component, as ejabberd_service sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._parser = ET.XMLPullParser(("start", "end"))
        self._depth = 0
        self._stanzas: deque[ET.Element] = deque()
        self._ids = 0
        self.header: ET.Element | None = None
        self.is_closed = False  #: whether the component has ended its stream
        self.received = bytearray()  #: all that the component has sent

    def send(self, data: str | bytes) -> None:
        """Send these bytes unchanged."""
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def next(self) -> ET.Element:
        """Return the next stanza of the component. Raises ConnectionClosed."""
        while not self._stanzas:
            await self._read()
        return self._stanzas.popleft()

    async def welcome(self, secret: str = SECRET) -> None:
        """Accept the component's stream, if its digest of the secret is right."""
        await self.meet()
        handshake = await self.next()
        assert handshake.tag == f"{{{NS_COMPONENT}}}handshake"
        assert handshake.text == hashlib.sha1(f"3BF96D32{secret}".encode()).hexdigest()  # noqa: S324
        self.send(HANDSHAKE)

    async def meet(self, header: str = HEADER) -> None:
        """Exchange stream headers."""
        while self.header is None:
            await self._read()
        self.send(header)

    async def connection_closed(self) -> None:
        """Wait until the component has closed the connection."""
        try:
            while True:
                await self._read()
        except ConnectionClosed:
            return

    async def stream_closed(self) -> None:
        """Wait until the component has ended its stream."""
        while not self.is_closed:
            await self._read()

    async def refuse(self, condition: str) -> None:
        """End the stream with an error."""
        self.send(f"<stream:error><{condition} xmlns='{NS_STREAMS}'/></stream:error>{FOOTER}")
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return

    def id(self) -> str:
        """Return an id that this connection has not seen."""
        self._ids += 1
        return f"s{self._ids}"

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                data = await self._reader.read(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise ConnectionClosed
        self.received += data
        self._parser.feed(data)
        for event, element in self._parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "start" and self._depth == 1:
                self.header = element
            elif event == "end" and self._depth == 1:
                self._stanzas.append(element)
            elif event == "end" and self._depth == 0:
                self.is_closed = True


class Server:
    """The port of ejabberd_service."""

    def __init__(self) -> None:
        self._arrivals: asyncio.Queue[Peer] = asyncio.Queue()
        self._peers: list[Peer] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._arrived, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for peer in self._peers:
            await peer.close()
        if self._server is not None:
            await self._server.wait_closed()

    async def accept(self) -> Peer:
        """Return the next connection; no bytes were exchanged on it yet."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._arrivals.get()

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self._peers.append(peer)
        self._arrivals.put_nowait(peer)


@dataclass
class Reply:
    """The answer to a query: results as the client gets them, then the IQ."""

    iq: ET.Element  #: the answer itself, unwrapped where it was delegated
    outer: ET.Element  #: the answer as it crossed the stream
    messages: list[ET.Element] = field(default_factory=list)  #: unwrapped
    wrapped: list[ET.Element] = field(default_factory=list)  #: as they crossed the stream

    @property
    def results(self) -> list[ET.Element]:
        """The <result/> of each message."""
        return [element_at(message, f"{{{NS_MAM}}}result") for message in self.messages]

    @property
    def ids(self) -> list[str]:
        """The archive ids of the results."""
        return [result.get("id", "") for result in self.results]

    @property
    def bodies(self) -> list[str]:
        """The text of each archived message."""
        path = f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message/{{{NS_CLIENT}}}body"
        return [result.findtext(path) or "" for result in self.results]

    @property
    def fin(self) -> ET.Element:
        """The <fin/> of the page."""
        return element_at(self.iq, f"{{{NS_MAM}}}fin")

    @property
    def metadata(self) -> dict[str, tuple[str | None, str | None]]:
        """The id and the time of each end of the archive, by its name."""
        ends = element_at(self.iq, f"{{{NS_MAM}}}metadata")
        return {
            end.tag.removeprefix(f"{{{NS_MAM}}}"): (end.get("id"), end.get("timestamp"))
            for end in ends
        }

    @property
    def complete(self) -> bool:
        """Whether this is the last page."""
        return self.fin.get("complete") == "true"

    def rsm(self, name: str) -> str | None:
        """Return a value of the result set: first, last, count."""
        return self.fin.findtext(f"{{{NS_RSM}}}set/{{{NS_RSM}}}{name}")

    @property
    def index(self) -> str | None:
        """The index of the first result among all that match, None if it is missing."""
        first = self.fin.find(f"{{{NS_RSM}}}set/{{{NS_RSM}}}first")
        return None if first is None else first.get("index")

    @property
    def refusal(self) -> str | None:
        """The condition of the error, None if there is none."""
        return condition(self.iq)


class Wire:
    """A component and the server that it is connected to."""

    def __init__(
        self,
        server: Server,
        config: Config,
        parts: Parts,
        connection: Connector,
        storage: Storage,
    ) -> None:
        self._config = config
        self.server = server
        self.parts = parts
        self.stream = parts.stream
        self.writer = parts.writer
        self.connection = connection
        self.storage = storage
        self.archive = storage.archive
        self.queries: QueryDispatcher = None  # type: ignore[assignment]  # set by `answer`
        self.peer: Peer = None  # type: ignore[assignment]  # the connection there is now
        self.link: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[list[None]] | None = None

    def start(self) -> None:
        """Start the connector, which keeps the stream up."""
        self.link = asyncio.create_task(self.connection.run())

    def answer(self, commands: Iterable[AdHocCommand] = ()) -> None:
        """Start to answer queries, with these commands beside our own."""
        self.queries = answer_queries(self._config, self.parts, commands)

    def write(self) -> None:
        """Start to write the received messages."""
        self._writing = asyncio.gather(*self.parts.works().values())

    async def welcome(self) -> Peer:
        """Accept the next connection of the component and its handshake."""
        self.peer = await self.server.accept()
        await self.peer.welcome()
        return self.peer

    def grant(
        self,
        namespace: str = PRIVILEGE_1,
        host: str = HOST,
        type: str = "outgoing",
        roster: str = "get",
        iqs: Mapping[str, str] | None = None,
    ) -> None:
        """Grant privileges to the component, as mod_privilege does; `iqs` are types by payload."""
        namespaces = "".join(
            f"<namespace ns='{payload}' type='{type}'/>" for payload, type in (iqs or {}).items()
        )
        perm = f"<perm access='iq'>{namespaces}</perm>" if iqs is not None else ""
        self.peer.send(
            f"<message from='{host}' to='{COMPONENT}'><privilege xmlns='{namespace}'>"
            f"<perm access='roster' type='{roster}'/><perm access='message' type='{type}'/>"
            f"{perm}</privilege></message>"
        )

    def log_copy(self, stanza: str, host: str = HOST, *, is_delivered: bool = True) -> None:
        """Send the copies of a stanza, as mod_service_log does.

        A message between users has two copies, that of the sender and, if `is_delivered`, that of
        the recipient. Other stanzas have one.
        """
        self.peer.send(copy_of(stanza, host))
        if is_delivered and _is_between_users(stanza):
            self.peer.send(copy_of(stanza, host))

    def say(self, body: str, *, sender: str = ALICE_PHONE, to: str = BOB, id: str = "") -> None:
        """Send a copy of a chat message with this body, which is its id by default."""
        self.log_copy(chat(body, sender=sender, to=to, id=id or body))

    async def delegated(
        self,
        payload: str,
        *,
        asker: str = ALICE_PHONE,
        owner: str | None = ALICE,
        type: str = "set",
        host: str = HOST,
        namespace: str = DELEGATION_1,
        id: str = "q1",
    ) -> Reply:
        """Delegate a query as mod_delegation does, and return the answer."""
        outer_id = self.peer.id()
        to = "" if owner is None else f" to={quoteattr(owner)}"
        self.peer.send(
            f"<iq type='set' from='{host}' to='{COMPONENT}' id='{outer_id}'>"
            f"<delegation xmlns='{namespace}'><forwarded xmlns='{NS_FORWARD}'>"
            f"<iq xmlns='{NS_CLIENT}' type='{type}' id={quoteattr(id)} from={quoteattr(asker)}"
            f"{to}>{payload}</iq></forwarded></delegation></iq>"
        )
        reply = await self._reply(outer_id)
        reply.iq = reply.outer
        path = f"{{{namespace}}}delegation/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}iq"
        if (inner := reply.outer.find(path)) is not None:
            reply.iq = inner
        return reply

    async def direct(
        self,
        payload: str,
        *,
        asker: str = ALICE_PHONE,
        to: str = COMPONENT,
        type: str = "set",
        id: str | None = None,
    ) -> Reply:
        """Send a query to the component itself, and return the answer."""
        id = id or self.peer.id()
        self.peer.send(
            f"<iq type='{type}' from={quoteattr(asker)} to='{to}' id={quoteattr(id)}>"
            f"{payload}</iq>"
        )
        return await self._reply(id)

    async def history(self, asker: str = ALICE_PHONE, **page: Any) -> Reply:
        """Query the requester's own archive by delegation, with a page of `archive_query`."""
        owner = asker.partition("/")[0]
        host = owner.rpartition("@")[2]
        return await self.delegated(query(**page), asker=asker, owner=owner, host=host)

    async def next_sent(self) -> ET.Element:
        """Return the next stanza of the component. Raises ConnectionClosed."""
        return await self.peer.next()

    async def caught_up(self) -> None:
        """Return when the component has read all stanzas sent before this call."""
        id = self.peer.id()
        self.peer.send(
            f"<iq type='get' from='{HOST}' to='{COMPONENT}' id='{id}'>"
            f"<ping xmlns='{NS_PING}'/></iq>"
        )
        answer = await self.peer.next()
        # The component may ask meanwhile whether recipients have an account.
        while answer.get("type") in ("headline", "get"):
            answer = await self.peer.next()
        assert (answer.tag, answer.get("id")) == (f"{{{NS_COMPONENT}}}iq", id), ET.tostring(answer)

    async def nothing_comes(self) -> None:
        """Fail if the component answers any stanza sent before this call."""
        reply = await self.history(f"nobody@{HOST}/x")
        assert (reply.refusal, reply.messages) == (None, [])

    async def archived(self, owner: str) -> list[ArchivedMessage]:
        """Return a whole archive, with all messages sent before this call."""
        await self.caught_up()
        self.parts.deliveries.decide()
        await self.parts.preference_filter.wait_durable()
        page = await self.archive.page(owner, ANY, limit=100_000)
        return list(page.messages)

    async def bodies(self, owner: str) -> list[str]:
        """Return the bodies in an archive, with all messages sent before this call."""
        return [body_of(message.xml) for message in await self.archived(owner)]

    async def _reply(self, id: str) -> Reply:
        reply = Reply(iq=ET.Element("none"), outer=ET.Element("none"))
        while True:
            sent = await self.peer.next()
            if sent.tag == f"{{{NS_COMPONENT}}}iq" and sent.get("id") == id:
                reply.iq = reply.outer = sent
                return reply
            if self._is_about_recipients(sent):
                continue
            assert sent.tag == f"{{{NS_COMPONENT}}}message", ET.tostring(sent)
            reply.wrapped.append(sent)
            reply.messages.append(_unwrapped(sent))

    def _is_about_recipients(self, sent: ET.Element) -> bool:
        """Return whether a stanza asks about recipients; answer a ping: they all exist."""
        if sent.get("type") == "headline":
            return True
        if sent.find(f"{{{NS_PING}}}ping") is None:
            return False
        self.peer.send(f"<iq type='result' id='{sent.get('id')}' from='{HOST}' to='{COMPONENT}'/>")
        return True

    async def stop(self) -> None:
        """Close the stream and finish writing, as the program does at its end."""
        if self._writing is None:
            self.write()
        if self.link is not None:
            answering = asyncio.create_task(self._end_stream())
            await end(self.link, self.connection)
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
        await self.parts.stop()
        assert self._writing is not None
        await self._writing

    async def _end_stream(self) -> None:
        """End the server's stream when the component has ended its own."""
        if self.peer is not None:
            await self.peer.stream_closed()
            self.peer.send(FOOTER)


@asynccontextmanager
async def open_wire(
    folder: Path,
    *,
    connected: bool = True,
    answering: bool = True,
    granted: Iterable[str] = (PRIVILEGE_1,),
    writing: bool = True,
    secret: str = SECRET,
    patience: Timeouts = PATIENCE,
    archive: dict[str, object] | None = None,
    xmpp: dict[str, object] | None = None,
    spill: Spill | None = None,
    timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS,
    **sections: Any,
) -> AsyncIterator[Wire]:
    """Open a component over a store in this folder; it is connected unless `connected` is False.

    `archive` and `xmpp` are options of those sections of the configuration, `sections` are others.
    """
    server = Server()
    await server.open()
    hosts = (HOST, OTHER_HOST)
    config = Config(
        xmpp=Xmpp(jid=COMPONENT, hosts=hosts, secret=secret, **(xmpp or {})),  # type: ignore[arg-type]
        http=Http(enabled=False),
        archive=Archive(**(archive or {})),  # type: ignore[arg-type]
        **sections,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        storage = await stack.enter_async_context(
            open_storage(f"sqlite:{folder / 'archive.db'}", synchronous="off", timeouts=timeouts)
        )
        accounts = source_of(OwnAccounts(storage.accounts, PASSWORDS, Hosts(hosts)))
        parts = compose(config, storage, Handlers(), accounts, spill)
        await parts.load()
        stack.callback(_end_sending, parts.stream)
        connection = Connector(parts.stream, "127.0.0.1", server.port, HOST, patience)
        wire = Wire(server, config, parts, connection, storage)
        stack.push_async_callback(wire.stop)
        if answering:
            wire.answer()
        if writing:
            wire.write()
        if connected:
            wire.start()
            await wire.welcome()
            for namespace in granted:
                for host in hosts:
                    wire.grant(namespace, host)
        yield wire


def _end_sending(stream: Stream) -> None:
    # slixmpp's task that sends stanzas never ends by itself; in the program it ends with the loop.
    if stream._run_out_filters is not None:
        stream._run_out_filters.cancel()


def _is_between_users(stanza: str) -> bool:
    """Return whether a stanza is a message from a session of a user of HOST to another one."""
    start = stanza.partition(">")[0]
    attributes = {name: value for name, _, value in re.findall(r"(\w+)=(['\"])(.*?)\2", start)}
    sender, recipient = attributes.get("from", ""), attributes.get("to", "")
    users = [jid.partition("/")[0] for jid in (sender, recipient)]
    return (
        start.startswith("<message")
        and attributes.get("type") not in ("error", "groupchat")
        and all(user.endswith(f"@{HOST}") for user in users)
        and "/" in sender
    )


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as a condition holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)


def chat(
    body: str,
    *,
    sender: str = ALICE_PHONE,
    to: str = BOB,
    id: str = "m1",
    type: str = "chat",
    extra: str = "",
) -> str:
    """Return a message stanza as ejabberd passes it on."""
    return (
        f"<message xmlns='{NS_CLIENT}' type={quoteattr(type)} id={quoteattr(id)}"
        f" from={quoteattr(sender)} to={quoteattr(to)}><body>{body}</body>{extra}</message>"
    )


def copy_of(stanza: str, host: str = HOST) -> str:
    """Return the copy that mod_service_log sends of a stanza."""
    return (
        f"<message from='{host}' to='{COMPONENT}' id='9'>"
        f"<forwarded xmlns='{NS_FORWARD}'>{stanza}</forwarded></message>"
    )


def query(
    *,
    queryid: str | None = None,
    max: str | None = None,
    after: str | None = None,
    before: str | None = None,
    index: str | None = None,
    flip: bool = False,
    **fields: str | list[str],
) -> str:
    """Return an archive query; `with_` is the field `with`, `before_id` is `before-id`."""
    return archive_query(
        {name.rstrip("_").replace("_", "-"): value for name, value in fields.items()},
        queryid=queryid,
        max=max,
        after=after,
        before=before,
        index=index,
        is_flipped=flip,
    )


def form_of(form_type: str = NS_MAM, **fields: list[str]) -> str:
    """Return a submitted form with these fields, each with its values."""
    inner = "".join(
        f"<field var={quoteattr(name)}>"
        + "".join(f"<value>{value}</value>" for value in values)
        + "</field>"
        for name, values in fields.items()
    )
    return (
        f"<x xmlns='{NS_FORM}' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{form_type}</value></field>{inner}</x>"
    )


def parsed(xml: str) -> ET.Element:
    """Parse a document of our own."""
    return ET.fromstring(xml)  # noqa: S314


def element_at(element: ET.Element, path: str) -> ET.Element:
    """Return the element at a path, which must be there."""
    child = element.find(path)
    assert child is not None, f"no {path} in {ET.tostring(element, 'unicode')}"
    return child


def condition(stanza: ET.Element) -> str | None:
    """Return the condition of a stanza's error, None without one."""
    for namespace in (NS_CLIENT, NS_COMPONENT):
        for child in stanza.iterfind(f"{{{namespace}}}error/*"):
            if child.tag.startswith(f"{{{NS_STANZAS}}}") and not child.tag.endswith("}text"):
                return child.tag.partition("}")[2]
    return None


def body_of(xml: str) -> str:
    """Return the text of a stored stanza."""
    return parsed(xml).findtext(f"{{{NS_CLIENT}}}body") or ""


def _unwrapped(message: ET.Element) -> ET.Element:
    for namespace in (PRIVILEGE_1, PRIVILEGE_2):
        path = f"{{{namespace}}}privilege/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message"
        if (inner := message.find(path)) is not None:
            return inner
    return message
