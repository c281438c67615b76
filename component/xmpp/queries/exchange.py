"""The two ways of a query: sent to the component itself, or handed on by the server.

A feature reads a query and builds payloads; what goes around them is said here, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from xml.sax.saxutils import quoteattr

from component.core.errors import Refused
from component.core.xml import jids
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.preparation import prepared
from component.xmpp.connection.addresses import of_host_for_iq
from component.xmpp.queries.errors import error_xml

NS_FORWARD = "urn:xmpp:forward:0"

#: The server must neither keep a result for later nor copy it to other clients of the user.
HINTS = "<no-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/>"


class Exchange(Protocol):
    """One query and the way back to who asked it."""

    @property
    def asker(self) -> str:
        """Full JID of who asks, as it was written."""
        ...

    @property
    def requester(self) -> str:
        """Bare JID of who asks."""
        ...

    @property
    def owner(self) -> str:
        """Bare JID of whose data is asked for."""
        ...

    def messages(self, payloads: Iterable[str]) -> str:
        """Return messages that carry one payload each to who asks. Raises Refused."""
        ...

    def result(self, payload: str) -> str:
        """Return the answer that ends the query."""
        ...

    def error(self, refused: Refused) -> str:
        """Return the refusal that ends the query."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """A query to the component: to its own address, or to that of an archive."""

    addressee: str  #: the address that was asked, and answers
    asker: str  #: full JID, as it was written
    id: str
    archive: str | None = None  #: bare JID of whose archive is addressed; None: that of the asker

    @property
    def requester(self) -> str:
        """Bare JID of who asks."""
        return jids.bare(prepared(self.asker))

    @property
    def owner(self) -> str:
        """Bare JID of whose data is asked for."""
        return self.archive or self.requester

    def messages(self, payloads: Iterable[str]) -> str:
        """Return messages that carry one payload each to who asks."""
        return _around(payloads, f"<message {self._addresses}>", f"{HINTS}</message>")

    def result(self, payload: str) -> str:
        """Return the answer that ends the query."""
        return f"<iq type='result' id={quoteattr(self.id)} {self._addresses}>{payload}</iq>"

    def error(self, refused: Refused) -> str:
        """Return the refusal that ends the query."""
        text = error_xml(refused)
        return f"<iq type='error' id={quoteattr(self.id)} {self._addresses}>{text}</iq>"

    @property
    def _addresses(self) -> str:
        return f"from={quoteattr(self.addressee)} to={quoteattr(self.asker)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """A query to a user's bare JID, handed on by the user's server (XEP-0355).

    Answers go back wrapped the same way, results by privilege (XEP-0356) as from the user.
    """

    component: str
    host: str  #: the virtual host that handed it on
    outer_id: str
    delegation: str  #: the namespace it spoke
    privilege: str | None  #: the namespace in which it lets us send, if it does
    #: the addresses as they were written: the server knows its question by them
    asker: str
    addressee: str
    #: and as archives have them
    requester: str
    owner: str
    id: str

    def messages(self, payloads: Iterable[str]) -> str:
        """Return messages that carry one payload each to who asks. Raises Refused."""
        found = list(payloads)
        if found and self.privilege is None:
            raise Refused("the server does not let its archive answer")
        return _around(
            found,
            f"<message {self._outer}><privilege xmlns='{self.privilege}'>"
            f"<forwarded xmlns='{NS_FORWARD}'><message xmlns='{NS_CLIENT}' {self._inner}>",
            f"{HINTS}</message></forwarded></privilege></message>",
        )

    def result(self, payload: str) -> str:
        """Return the answer that ends the query."""
        return self._answer("result", payload)

    def error(self, refused: Refused) -> str:
        """Return the refusal that ends the query."""
        return self._answer("error", error_xml(refused))

    def _answer(self, type: str, payload: str) -> str:
        # An outer error would never reach the client: what went wrong is said inside.
        return (
            f"<iq type='result' id={quoteattr(self.outer_id)} from={quoteattr(self.component)}"
            f" to={quoteattr(of_host_for_iq(self.host))}>"
            f"<delegation xmlns='{self.delegation}'><forwarded xmlns='{NS_FORWARD}'>"
            f"<iq xmlns='{NS_CLIENT}' type='{type}' id={quoteattr(self.id)} {self._inner}>"
            f"{payload}</iq></forwarded></delegation></iq>"
        )

    @property
    def _outer(self) -> str:
        return f"from={quoteattr(self.component)} to={quoteattr(self.host)}"

    @property
    def _inner(self) -> str:
        return f"from={quoteattr(self.addressee)} to={quoteattr(self.asker)}"


def _around(payloads: Iterable[str], head: str, tail: str) -> str:
    found = list(payloads)
    # Joined at once: what goes around the results of a page is as long as they are.
    return f"{head}{(tail + head).join(found)}{tail}" if found else ""
