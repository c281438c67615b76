"""XEP-0356 section 6: IQs that the component sends as a virtual host or as a user.

From 24.10 on ejabberd drops the IQs that a component with privileges itself sends to rooms, and
24.10 to 25.02 drop its IQs to any address without a resource. From 25.03 on ejabberd delivers IQs
of users to their own accounts; before, it sends them back to the component, and they have no
answer.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from slixmpp.exceptions import IqError

from component.core.xml.namespaces import NS_CLIENT
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.errors import condition_in
from component.xmpp.queries.exchange import NS_FORWARD
from component.xmpp.queries.privilege import NS_PRIVILEGE_IQ, IqType

_INNER = f"{{{NS_PRIVILEGE_IQ}}}privilege/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}iq"


class UserIqError(Exception):
    """The account refuses the IQ; the message is the condition of the error."""


async def ask_as_host(
    stream: Stream, host: str, to: str, payload: str, *, patience: float
) -> Element | None:
    """Ask by an IQ of type get as a virtual host that grants it. Return the result.

    Return None if the answer is an error, or the connection is lost before. Raises IqError if the
    host refuses to ask, and IqTimeout after `patience` seconds.
    """
    answer = await stream.ask("get", host, _wrapped("get", to, payload), patience=patience)
    inner = None if answer is None else answer.find(_INNER)
    return inner if inner is not None and inner.get("type") == "result" else None


async def ask_as_user(
    stream: Stream, user: str, type: IqType, payload: str, *, patience: float
) -> Element | None:
    """Send an IQ of a user, a bare JID, to the user's own account, and return the result.

    Return None if the connection is lost before. Raises UserIqError, and IqTimeout after
    `patience` seconds: a server drops an IQ that it has not permitted.
    """
    try:
        answer = await stream.ask(type, user, _wrapped(type, user, payload), patience=patience)
    except IqError as error:
        answer = error.iq.xml
    if answer is None:
        return None
    inner = answer.find(_INNER)
    if inner is None or inner.get("type") != "result":
        raise UserIqError(condition_in(answer if inner is None else inner))
    return inner


def _wrapped(type: IqType, to: str, payload: str) -> str:
    """Return the payload of the IQ that asks the server to send another one."""
    iq = f"<iq xmlns='{NS_CLIENT}' type='{type}' id='inner' to={quoteattr(to)}>{payload}</iq>"
    return f"<privileged_iq xmlns='{NS_PRIVILEGE_IQ}'>{iq}</privileged_iq>"
