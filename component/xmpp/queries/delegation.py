"""XEP-0355: Namespace Delegation, version 0.5. Queries that the virtual hosts delegate to us.

Users ask their own bare JID, or the domain of their server: at both addresses mod_mam of ejabberd
answers from the archive of the asker, and some clients look for an archive at the domain only.
ejabberd speaks urn:xmpp:delegation:1 in every version so far, the XEP and Prosody :2.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from component.core.errors import BadRequest, Forbidden
from component.core.hosts import Hosts
from component.core.xml import jids
from component.core.xml.namespaces import NS_CLIENT
from component.xmpp.connection.addresses import Addresses
from component.xmpp.queries.exchange import NS_FORWARD, Delegated
from component.xmpp.queries.privilege import Privileges

NAMESPACES = ("urn:xmpp:delegation:2", "urn:xmpp:delegation:1")

#: The payloads of IQs that contain a query.
DELEGATIONS = frozenset(f"{{{namespace}}}delegation" for namespace in NAMESPACES)

_FORBIDDEN = Forbidden("only the virtual hosts of this archive delegate queries to it")


def is_delegated(iq: Element) -> bool:
    """Return whether an IQ contains a query that its sender delegates."""
    return len(iq) > 0 and iq[0].tag in DELEGATIONS


class Delegation:
    """Unwraps the queries that virtual hosts delegate."""

    def __init__(self, privileges: Privileges, addresses: Addresses, hosts: Hosts) -> None:
        self._privileges = privileges
        self._addresses = addresses
        self._hosts = hosts

    def unwrap(self, iq: Element) -> tuple[Element, Delegated]:
        """Return the query in a delegated IQ and its exchange. Raises Forbidden, BadRequest.

        The addresses inside are trusted: only virtual hosts are accepted as senders, and only
        about themselves and their own users.
        """
        host = iq.get("from", "")
        if host not in self._hosts:
            raise _FORBIDDEN
        for namespace in NAMESPACES:
            path = f"{{{namespace}}}delegation/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}iq"
            inner = iq.find(path)
            if inner is not None:
                exchange = self._exchange(iq, namespace, inner)
                if jids.domain(exchange.owner) != host:
                    raise _FORBIDDEN
                return inner, exchange
        raise BadRequest("there is no query in this delegation")

    def _exchange(self, iq: Element, namespace: str, inner: Element) -> Delegated:
        host = iq.get("from", "")
        asker = inner.get("from", "")
        # Prosody leaves `to` out if users ask about themselves.
        addressee = inner.get("to") or jids.bare(asker)
        requester = jids.bare(self._addresses.accept(asker))
        owner = self._addresses.accept(addressee)
        # A host has no archive itself: its users read theirs there, and all others are refused.
        if owner == host == jids.domain(requester):
            owner = requester
        return Delegated(
            component=iq.get("to", ""),
            host=host,
            outer_id=iq.get("id", ""),
            delegation=namespace,
            privilege=self._privileges.message_namespace(host),
            asker=asker,
            addressee=addressee,
            requester=requester,
            owner=owner,
            id=inner.get("id", ""),
        )
