"""The two ways of a query: sent to the component itself, or delegated by the server.

A feature reads a query and builds payloads; the stanzas around the payloads are built here.
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
    """One query, and how to answer it."""

    @property
    def id(self) -> str:
        """The id of its IQ."""
        ...

    @property
    def asker(self) -> str:
        """The full JID of the asker, as written."""
        ...

    @property
    def requester(self) -> str:
        """The bare JID of the asker, prepared."""
        ...

    @property
    def owner(self) -> str:
        """The bare JID of the owner of the data that is asked for, prepared."""
        ...

    def messages(self, payloads: Iterable[str]) -> str:
        """Return messages to the asker, one for each payload. Raises Refused."""
        ...

    def result(self, payload: str) -> str:
        """Return the IQ result that ends the query."""
        ...

    def error(self, refused: Refused) -> str:
        """Return the IQ error that ends the query."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """A query to the component: to its own address, or to that of an archive."""

    addressee: str  #: the address that was asked, and answers
    asker: str  #: the full JID, as written
    id: str
    archive: str | None = None  #: the owner whose archive has that address; None: the asker

    @property
    def requester(self) -> str:
        """The bare JID of the asker, prepared."""
        return jids.bare(prepared(self.asker))

    @property
    def owner(self) -> str:
        """The bare JID of the owner of the data that is asked for, prepared."""
        return self.archive or self.requester

    def messages(self, payloads: Iterable[str]) -> str:
        """Return messages to the asker, one for each payload."""
        return _around(payloads, f"<message {self._addresses}>", f"{HINTS}</message>")

    def result(self, payload: str) -> str:
        """Return the IQ result that ends the query."""
        return f"<iq type='result' id={quoteattr(self.id)} {self._addresses}>{payload}</iq>"

    def error(self, refused: Refused) -> str:
        """Return the IQ error that ends the query."""
        text = error_xml(refused)
        return f"<iq type='error' id={quoteattr(self.id)} {self._addresses}>{text}</iq>"

    @property
    def _addresses(self) -> str:
        return f"from={quoteattr(self.addressee)} to={quoteattr(self.asker)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """A query to a virtual host or to the bare JID of one of its users (XEP-0355).

    The answer is wrapped in the same way. Messages come from the address that was asked, by
    privilege (XEP-0356).
    """

    component: str
    host: str  #: the virtual host that delegated it
    outer_id: str
    delegation: str  #: the namespace that the host speaks
    privilege: str | None  #: the namespace in which we may send messages, None if we may not
    #: the addresses as written: the server matches the answer by them
    asker: str
    addressee: str
    #: the bare addresses, prepared
    requester: str
    owner: str
    id: str

    def messages(self, payloads: Iterable[str]) -> str:
        """Return messages to the asker, one for each payload. Raises Refused."""
        texts = list(payloads)
        if texts and self.privilege is None:
            raise Refused("the server does not let its archive answer")
        return _around(
            texts,
            f"<message {self._outer}><privilege xmlns='{self.privilege}'>"
            f"<forwarded xmlns='{NS_FORWARD}'><message xmlns='{NS_CLIENT}' {self._inner}>",
            f"{HINTS}</message></forwarded></privilege></message>",
        )

    def result(self, payload: str) -> str:
        """Return the IQ result that ends the query."""
        return self._answer("result", payload)

    def error(self, refused: Refused) -> str:
        """Return the IQ error that ends the query."""
        return self._answer("error", error_xml(refused))

    def _answer(self, type: str, payload: str) -> str:
        # An outer error would never reach the client, so the error is inside.
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
    texts = list(payloads)
    # Joined at once: head and tail are as long as a result.
    return f"{head}{(tail + head).join(texts)}{tail}" if texts else ""
