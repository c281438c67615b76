"""One client connection to a server: logs in, sends what it is told, and reports events.

It uses stream management (XEP-0198), so a session survives a short loss of its connection.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Literal

from slixmpp import ClientXMPP, Iq, Message, Presence
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream import ET, StanzaBase, tostring
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from component.core.accounts.c2s import INCONCLUSIVE
from component.core.accounts.passwords import prepare
from component.core.ejabberd_options import NS_DISCO_INFO
from component.core.errors import BadRequest
from component.core.sessions import events
from component.core.sessions.credentials import Credential
from component.core.sessions.outgoing import Outgoing, OwnPresence, Query, Subscription
from component.core.sessions.servers import Endpoint, Server
from component.core.xml.jids import bare, domain
from component.sessions import stanzas

log = logging.getLogger(__name__)

#: Seconds for a login, for the answer of a server to a request, and for the end of a stream.
LOGIN_SECONDS = 10.0
ANSWER_SECONDS = 20.0
END_SECONDS = 1.0

#: Bytes that a server may send without completing a stanza; a large roster has a megabyte.
STANZA_MAX_BYTES = 2 * 1024 * 1024

#: XEP-0368 section 3.
_ALPN = "xmpp-client"

_NS_CARBONS = "urn:xmpp:carbons:2"
_NS_PING = "urn:xmpp:ping"

Report = Callable[[events.Event], None]

#: Called with each message that the account sends, or receives at this or another client: its XML.
OnMessage = Callable[[str], None]


def _has_no_stanzas(record: logging.LogRecord) -> bool:
    """Return False for the line in which slixmpp logs what it cannot parse."""
    return not record.msg.startswith("Parse error")


logging.getLogger("slixmpp.xmlstream.xmlstream").addFilter(_has_no_stanzas)


class Login(Enum):
    """The outcome of a login."""

    NEW = auto()  #: a new session has begun
    RESUMED = auto()  #: the session before goes on
    REFUSED = auto()  #: the credential is wrong
    FAILED = auto()  #: the server did not decide


class Connection(ClientXMPP):
    """The connection of one session, for as long as the session lives."""

    def __init__(
        self, owner: str, server: Server, report: Report, on_message: OnMessage | None = None
    ) -> None:
        """`owner` is the prepared bare JID of an account on the server.

        `on_message` is None if somebody else archives the messages.
        """
        super().__init__(
            f"{owner}/muniment-{secrets.token_hex(4)}",
            "",
            plugin_config={"feature_mechanisms": server.mechanisms},
            ssl_context=server.context,
        )
        # slixmpp would follow <see-other-host/> to any address, also a private one.
        self.max_redirects = -1
        # Users decide about subscriptions themselves.
        self.auto_authorize = None
        self.auto_subscribe = False
        for plugin in ("xep_0030", "xep_0198", "xep_0199"):
            self.register_plugin(plugin)
        self._owner = owner
        self._server = server
        self._report = report
        self._mechanisms = server.mechanisms["use_mechs"]
        self._on_archivable = on_message
        self._incomplete_bytes = 0
        self._login: asyncio.Future[Login] | None = None
        self._shows_token = False
        self._is_up = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._entering: dict[str, asyncio.Future[None]] = {}  # by the bare JID of the room
        self.add_event_handler("stream_negotiated", self._on_negotiated)
        self.add_event_handler("session_resumed", lambda _: self._logged_in(Login.RESUMED))
        self.add_event_handler("failed_auth", self._on_failed_auth)
        self.add_event_handler("no_auth", self._on_no_mechanism)
        self.add_event_handler("stream_error", lambda _: self._logged_in(Login.FAILED))
        self.add_event_handler("ssl_invalid_chain", lambda _: self._logged_in(Login.FAILED))
        self.add_event_handler("connection_failed", lambda _: self._logged_in(Login.FAILED))
        self.add_event_handler("disconnected", self._on_disconnected)
        self.add_event_handler("roster_update", self._on_roster)
        self.add_filter("in", self._note_stanza)
        # The machine keeps presences; slixmpp would keep them again, those of rooms too.
        self.remove_handler("Presence")
        takers = {"message": self._on_message, "presence": self._on_presence}
        for name, take in takers.items():
            matcher = MatchXPath(stanzas.CLIENT + name)
            self.register_handler(Callback(f"session {name}", matcher, take))

    def data_received(self, data: bytes | str) -> None:
        """Read data, as long as the server completes its stanzas."""
        self._incomplete_bytes += len(data)
        if self._incomplete_bytes > STANZA_MAX_BYTES:
            log.warning("%s sends %s too large a stanza", self._server.name, self._owner)
            self.abort()
            return
        super().data_received(data)

    def _note_stanza(self, stanza: StanzaBase) -> StanzaBase:
        self._incomplete_bytes = 0
        return stanza

    def connection_made(self, transport: asyncio.BaseTransport, send_event: bool = True) -> None:
        """Begin to count anew."""
        self._incomplete_bytes = 0
        super().connection_made(transport, send_event)

    def reschedule_connection_attempt(self) -> None:
        """Do nothing: the machine decides when to connect again."""

    @property
    def is_of_owner(self) -> bool:
        """Whether slixmpp prepares the JID as we do; otherwise it would be another user."""
        return self.requested_jid.bare == self._owner

    async def log_in(self, credential: Credential) -> Login:
        """Connect and log in with one credential."""
        try:
            secret = credential.secret if credential.is_token else prepare(credential.secret)
        except BadRequest:
            # No account has such a password.
            return Login.REFUSED
        self.password = secret
        self._shows_token = credential.is_token
        mechanisms: Any = self.plugin["feature_mechanisms"]
        # ejabberd checks tokens as passwords, which SCRAM does not show it.
        mechanisms.use_mechs = {"PLAIN"} if credential.is_token else set(self._mechanisms)
        outcome = Login.FAILED
        loop = asyncio.get_running_loop()
        end = loop.time() + LOGIN_SECONDS
        try:
            async with asyncio.timeout_at(end):
                endpoints = await self._server.endpoints()
        except OSError as error:
            # TimeoutError is one of them.
            log.debug("no address of %s: %s", self._server.name, error)
            return Login.FAILED
        for number, endpoint in enumerate(endpoints):
            # One that does not answer leaves its share of the time to the others.
            seconds = (end - loop.time()) / (len(endpoints) - number)
            outcome = await self._log_in_at(endpoint, seconds)
            if outcome is not Login.FAILED:
                break
        return outcome

    async def _log_in_at(self, endpoint: Endpoint, seconds: float) -> Login:
        """Connect to one address, to no other one, and log in."""
        mechanisms: Any = self.plugin["feature_mechanisms"]
        mechanisms.attempted_mechs = set()
        self.enable_direct_tls = endpoint.is_direct_tls
        self.enable_starttls = not endpoint.is_direct_tls
        self.ssl_context.set_alpn_protocols([_ALPN] if endpoint.is_direct_tls else [])
        self._login = asyncio.get_running_loop().create_future()
        outcome = Login.FAILED
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    self.connect(endpoint.address, endpoint.port)
                    outcome = await self._login
        finally:
            self._login = None
            if outcome in (Login.NEW, Login.RESUMED):
                self._is_up = self.transport is not None
                outcome = outcome if self._is_up else Login.FAILED
            else:
                await self._cut()
        return outcome

    async def end(self) -> None:
        """Close the stream and the session."""
        self._is_up = False
        for task in self._tasks:
            task.cancel()
        if self.transport is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * END_SECONDS):
                    await self.disconnect(wait=END_SECONDS)
        await self._cut()
        sending = self._run_out_filters
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def announce(self, presence: OwnPresence | None) -> None:
        """Get the roster, switch carbons on, and send presence."""
        self._start(self._announce(presence))

    def transmit(self, request: Outgoing | OwnPresence | Subscription) -> None:
        """Send a stanza, and report when the server has answered a ping that follows it."""
        if isinstance(request, Outgoing):
            stanza = stanzas.message(request)
            self.send(Message(self, xml=stanza))
            stanza.set("from", str(self.boundjid))
            self._archive(stanza)
        elif isinstance(request, OwnPresence):
            self.send(Presence(self, xml=stanzas.presence(request)))
        else:
            self.send_presence(pto=request.to, ptype=request.type)
        self._start(self._fence(request.id))

    def ask(self, query: Query) -> None:
        """Send an IQ, and report its outcome."""
        self._start(self._query(query))

    def send_receipt(self, to: str, id: str) -> None:
        """Acknowledge a message."""
        self.send(Message(self, xml=stanzas.receipt(to, id)))

    def set_contact(self, jid: str, name: str, groups: tuple[str, ...]) -> None:
        """Set a contact on the roster; the server reports the change by a roster push."""
        self._start(self._set_roster(stanzas.contact(jid, name, groups)))

    def remove_contact(self, jid: str) -> None:
        """Remove a contact from the roster."""
        self._start(self._set_roster(stanzas.removed_contact(jid)))

    def join(self, room: str, nick: str) -> None:
        """Enter a room that exists, and report the outcome."""
        self._start(self._join(room, nick))

    def leave(self, room: str, nick: str) -> None:
        """Leave a room."""
        self.send_presence(pto=f"{room}/{nick}", ptype="unavailable")

    # Requests

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(
        self, type: Literal["get", "set"], payload: ET.Element, to: str | None = None
    ) -> Iq:
        """Return the result of a request. Raises IqError, TimeoutError."""
        iq = self.make_iq(ito=to, itype=type)
        iq.append(payload)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                result: Iq = await iq.send(timeout=ANSWER_SECONDS)
                return result
        except IqTimeout as error:
            raise TimeoutError from error
        finally:
            self.remove_handler(f"IqCallback_{iq['id']}")

    async def _announce(self, presence: OwnPresence | None) -> None:
        with suppress(IqError, TimeoutError):
            self._on_roster(await self._ask("get", ET.Element(f"{stanzas.ROSTER}query")))
        with suppress(IqError, TimeoutError):
            await self._ask("set", ET.Element(f"{{{_NS_CARBONS}}}enable"))
        self.send(Presence(self, xml=stanzas.presence(presence)))

    async def _set_roster(self, query: ET.Element) -> None:
        try:
            await self._ask("set", query)
        except IqError as error:
            condition, _ = stanzas.error_of(error.iq.xml)
            log.info("ejabberd refuses to change the roster of %s: %s", self._owner, condition)
        except TimeoutError:
            log.info("the roster of %s was not changed in time", self._owner)

    async def _fence(self, id: str) -> None:
        try:
            await self._ask("get", ET.Element(f"{{{_NS_PING}}}ping"), domain(self._owner))
        except TimeoutError:
            log.info("a session of %s got no answer: connection cut", self._owner)
            self.abort()
            return
        except IqError:
            # An error is an answer too.
            pass
        self._report(events.Answered(id))

    async def _query(self, query: Query) -> None:
        try:
            result = await self._ask(query.type, ET.fromstring(query.payload), query.to)
        except IqError as error:
            condition, text = stanzas.error_of(error.iq.xml)
            sender = error.iq.xml.get("from") or query.to or self._owner
            self._report(events.QueryRefused(query.id, sender, condition, text))
        except TimeoutError:
            condition, text = "remote-server-timeout", "There was no answer in time."
            self._report(events.QueryRefused(query.id, query.to or self._owner, condition, text))
        else:
            children = list(result.xml)
            # Its own namespace is the default one, so that parts of it can be moved.
            xml = tostring(children[0]) if children else ""
            self._report(events.Answered(query.id, xml))

    async def _join(self, room: str, nick: str) -> None:
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._entering[room] = entered
        try:
            # A room that does not exist would be created.
            await self._ask("get", ET.Element(f"{{{NS_DISCO_INFO}}}query"), room)
            self.send(Presence(self, xml=stanzas.join(f"{room}/{nick}")))
            async with asyncio.timeout(ANSWER_SECONDS):
                await entered
        except IqError as error:
            condition, text = stanzas.error_of(error.iq.xml)
            self._report(events.RoomLeft(room, condition, text))
        except TimeoutError:
            text = "The room did not answer."
            self._report(events.RoomLeft(room, "remote-server-timeout", text))
        finally:
            if self._entering.get(room) is entered:
                del self._entering[room]

    # What the server sends

    def _on_negotiated(self, _: object) -> None:
        if self.bound:
            self._logged_in(Login.NEW)

    def _on_failed_auth(self, failure: Any) -> None:
        names = [str(child.tag).rpartition("}")[2] for child in failure.xml]
        condition = next((name for name in names if name != "text"), "")
        is_final = condition not in INCONCLUSIVE
        # One attempt is enough: another mechanism shows the same password.
        mechanisms: Any = self.plugin["feature_mechanisms"]
        mechanisms.mech_list = set()
        self._logged_in(Login.REFUSED if is_final else Login.FAILED)

    def _on_no_mechanism(self, _: object) -> None:
        # Without PLAIN the server takes no tokens; it may take the password by another mechanism.
        self._logged_in(Login.REFUSED if self._shows_token else Login.FAILED)

    def _logged_in(self, outcome: Login) -> None:
        if self._login is not None and not self._login.done():
            self._login.set_result(outcome)

    def _on_disconnected(self, _: object) -> None:
        self._logged_in(Login.FAILED)
        if self._is_up:
            self._is_up = False
            self._report(events.ConnectionLost())

    async def _cut(self) -> None:
        """Cut the connection, and wait until it is cut."""
        self.cancel_connection_attempt()
        if self.transport is not None:
            lost = self.disconnected
            self.abort()
            await asyncio.wait([lost], timeout=END_SECONDS)

    def _on_roster(self, iq: Iq) -> None:
        items = tuple(
            events.RosterItem(
                jid=str(jid),
                name=item["name"],
                subscription=item["subscription"] or "none",
                is_asked=item["ask"] == "subscribe",
                groups=tuple(sorted(item["groups"])),
            )
            for jid, item in iq["roster"]["items"].items()
        )
        if iq["type"] == "set":
            for item in items:
                self._report(item)
        else:
            self._report(events.RosterReceived(items))

    def _on_message(self, message: StanzaBase) -> None:
        event = stanzas.event_of(message.xml, self._owner)
        if event is not None:
            self._report(event)
        self._archive(stanzas.unwrapped(message.xml, self._owner))

    def _archive(self, message: ET.Element | None) -> None:
        if self._on_archivable is not None and message is not None:
            self._on_archivable(tostring(message))

    def _on_presence(self, presence: StanzaBase) -> None:
        sender, type = str(presence["from"]), presence.xml.get("type", "available")
        room = bare(sender)
        entered = self._entering.get(room)
        if type == "error":
            condition, text = stanzas.error_of(presence.xml)
            self._end_entering(entered)
            self._report(events.PresenceBounced(room, condition, text))
        elif stanzas.is_own_occupant(presence.xml):
            self._end_entering(entered)
            if type == "available":
                self._report(events.RoomEntered(room))
            else:
                self._report(events.RoomLeft(room, text="You are no longer in this room."))
        elif bare(sender) != self._owner:
            self._report(
                events.PresenceOf(
                    jid=sender,
                    type=type,
                    show=presence.xml.findtext(f"{stanzas.CLIENT}show", ""),
                    status=presence.xml.findtext(f"{stanzas.CLIENT}status", ""),
                    priority=presence["priority"],
                )
            )

    def _end_entering(self, entered: asyncio.Future[None] | None) -> None:
        if entered is not None and not entered.done():
            entered.set_result(None)
