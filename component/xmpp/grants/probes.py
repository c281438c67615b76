"""Messages of our own that show where ejabberd sends stanzas. No user receives or archives them.

From 23.10 on, mod_service_log copies stanzas that a component sends as a virtual host (XEP-0356).
Privileges of version 2, from 24.10 on, show that it does. ejabberd works in order: the copy comes
before the message, and both before the answer to a later ping. 23.01 copies only stanzas that a
session of a user sends or receives.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.xml.namespaces import NS_CLIENT
from component.xmpp.connection.addresses import of_host_for_iq
from component.xmpp.connection.stream import NS_PING, Stream
from component.xmpp.queries.errors import NS_STANZAS
from component.xmpp.queries.exchange import HINTS, NS_FORWARD
from component.xmpp.queries.privilege import NS_PRIVILEGE_IQ

NS_PROBE = "urn:muniment:probe"

#: The number of messages to ourselves. If another connection has our name, each message goes to
#: one of the connections at random.
COUNT = 12

#: Errors of a domain that this server does not have, and no other server either (RFC 6120 section
#: 8.3.3).
_NOT_SERVED = frozenset(
    f"{{{NS_STANZAS}}}{name}" for name in ("remote-server-not-found", "remote-server-timeout")
)


class Probes:
    """Sends probes; calls must not overlap."""

    def __init__(self, stream: Stream, *, patience: float) -> None:
        """`patience` is the maximum number of seconds until the answer to a ping."""
        self._stream = stream
        self._patience = patience
        self._awaited: set[str] = set()
        stream.on_message(NS_PROBE, "probe", self._take)

    async def lost(self, host: str) -> int | None:
        """Send COUNT messages to ourselves. Return the number of lost ones, None if unknown.

        `host` answers a ping behind the messages.
        """
        jid = quoteattr(str(self._stream.boundjid))
        self._awaited = {self._stream.new_id() for _ in range(COUNT)}
        messages = (
            f"<message type='headline' id={quoteattr(id)} from={jid} to={jid}>{_PROBE}</message>"
            for id in self._awaited
        )
        await self._stream.send_text("".join(messages))
        is_caught_up = await self._is_caught_up(host)
        lost = len(self._awaited)
        # The answer to the ping may be lost too.
        is_known = is_caught_up or (lost < COUNT and self._stream.is_reading)
        return lost if is_known else None

    async def send_as(self, host: str) -> bool:
        """Send a message as a virtual host to ourselves, by privilege, and wait until it is here.

        Return whether it was, after which its copy was here too, if there is one.
        """
        jid, id = quoteattr(str(self._stream.boundjid)), self._stream.new_id()
        self._awaited = {id}
        inner = (
            f"<message xmlns='{NS_CLIENT}' type='headline' id={quoteattr(id)}"
            f" from={quoteattr(host)} to={jid}>{_PROBE}</message>"
        )
        await self._stream.send_text(
            f"<message from={jid} to={quoteattr(host)}><privilege xmlns='{NS_PRIVILEGE_IQ}'>"
            f"<forwarded xmlns='{NS_FORWARD}'>{inner}</forwarded></privilege></message>"
        )
        return await self._is_caught_up(host) and not self._awaited

    async def is_served(self, host: str) -> bool:
        """Return whether the server has a virtual host: each of them answers a ping at once."""
        ping = f"<ping xmlns='{NS_PING}'/>"
        to = of_host_for_iq(host)
        try:
            answer = await self._stream.ask("get", to, ping, patience=self._patience)
        except IqError as error:
            # slixmpp reads no condition from an error of a component's stream.
            return _NOT_SERVED.isdisjoint(child.tag for child in error.iq.xml.iter())
        except IqTimeout:
            return False
        return answer is not None

    async def _is_caught_up(self, host: str) -> bool:
        return await self._stream.ping(of_host_for_iq(host), patience=self._patience)

    def _take(self, message: StanzaBase) -> None:
        self._awaited.discard(str(message["id"]))


_PROBE = f"<probe xmlns='{NS_PROBE}'/>{HINTS}"
