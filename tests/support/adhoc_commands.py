"""Ad-hoc commands (XEP-0050) as a client executes them."""

from __future__ import annotations

from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from support.wire import ALICE_PHONE, NS_FORM, NS_STANZAS, Reply, Wire, element_at

NS_COMMANDS = "http://jabber.org/protocol/commands"


def request(
    node: str,
    *,
    action: str | None = None,
    session: str | None = None,
    extra: str = "",
    inside: str = "",
) -> str:
    """Return a <command/> to execute; None leaves an attribute out."""
    attributes = {"node": node, "action": action, "sessionid": session}
    written = "".join(f" {k}={quoteattr(v)}" for k, v in attributes.items() if v is not None)
    return f"<command xmlns='{NS_COMMANDS}'{written}{extra}>{inside}</command>"


async def begin(wire: Wire, node: str, *, asker: str = ALICE_PHONE) -> Reply:
    """Begin a session."""
    return await wire.direct(request(node), asker=asker)


async def submit(
    wire: Wire,
    begun: Reply,
    *,
    action: str | None = "complete",
    asker: str = ALICE_PHONE,
    form_type: str = "submit",
    **fields: list[str],
) -> Reply:
    """Answer a form with these fields, each with its values."""
    inner = "".join(
        f"<field var='{name}'>{''.join(f'<value>{value}</value>' for value in values)}</field>"
        for name, values in fields.items()
    )
    session = command(begun)
    answer = request(
        session.get("node", ""),
        action=action,
        session=session.get("sessionid"),
        inside=f"<x xmlns='{NS_FORM}' type='{form_type}'>{inner}</x>",
    )
    return await wire.direct(answer, asker=asker)


def command(reply: Reply) -> Element:
    """Return the <command/> of an answer."""
    return element_at(reply.iq, f"{{{NS_COMMANDS}}}command")


def form_in(reply: Reply) -> Element:
    """Return the form of an answer."""
    return element_at(command(reply), f"{{{NS_FORM}}}x")


def specific(reply: Reply) -> tuple[str | None, str | None]:
    """Return the condition of a refusal, and that of XEP-0050 beside it."""
    [error] = (child for child in reply.iq if child.tag.endswith("}error"))
    own = [child.tag for child in error if not child.tag.startswith(f"{{{NS_STANZAS}}}")]
    return reply.refusal, own[0].removeprefix(f"{{{NS_COMMANDS}}}") if own else None
