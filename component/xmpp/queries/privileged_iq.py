"""XEP-0356 section 6: IQs that the component sends as a virtual host.

From 24.10 on ejabberd drops what a component with privileges asks rooms itself, and 24.10 to 25.02
drop what it asks any address without a resource.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from component.core.xml.namespaces import NS_CLIENT
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.exchange import NS_FORWARD
from component.xmpp.queries.privilege import NS_PRIVILEGE_IQ


async def ask_as_host(
    stream: Stream, host: str, to: str, payload: str, *, patience: float
) -> Element | None:
    """Ask by an IQ of type get as a virtual host that grants it. Return the result.

    Return None if the answer is an error, or the connection is lost before. Raises IqError if the
    host refuses to ask, and IqTimeout after `patience` seconds.
    """
    iq = f"<iq xmlns='{NS_CLIENT}' type='get' id='asked' to={quoteattr(to)}>{payload}</iq>"
    outer = f"<privileged_iq xmlns='{NS_PRIVILEGE_IQ}'>{iq}</privileged_iq>"
    answer = await stream.ask("get", host, outer, patience=patience)
    path = f"{{{NS_PRIVILEGE_IQ}}}privilege/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}iq"
    inner = None if answer is None else answer.find(path)
    return inner if inner is not None and inner.get("type") == "result" else None
