"""XEP-0356 section 6: IQs that we send to users' own accounts, as these users.

ejabberd sends them from 25.03 on. Before, it sends them back to us, and they have no answer.
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


async def ask_as_user(
    stream: Stream, user: str, type: IqType, payload: str, *, patience: float
) -> Element | None:
    """Send an IQ of a user, a bare JID, to the user's own account, and return the result.

    Return None if the connection is lost before. Raises UserIqError, and IqTimeout after
    `patience` seconds: a server drops an IQ that it has not permitted.
    """
    iq = f"<iq xmlns='{NS_CLIENT}' type='{type}' id='inner' to={quoteattr(user)}>{payload}</iq>"
    wrapped = f"<privileged_iq xmlns='{NS_PRIVILEGE_IQ}'>{iq}</privileged_iq>"
    try:
        answer = await stream.ask(type, user, wrapped, patience=patience)
    except IqError as error:
        answer = error.iq.xml
    if answer is None:
        return None
    inner = answer.find(_INNER)
    if inner is None or inner.get("type") != "result":
        raise UserIqError(condition_in(answer if inner is None else inner))
    return inner
