"""Check: ejabberd listens for components, and accepts this one if it is to log in."""

from __future__ import annotations

from component.config import Config
from component.core.doctor.checks import LINK
from component.core.doctor.finding import Finding, Severity, ok
from component.wiring import settings
from component.xmpp.connection.connector import ServerRefused
from component.xmpp.connection.listener_check import check_listener


async def check(config: Config, *, login: bool) -> Finding:
    """Return the finding; `login` also tries xmpp.jid and xmpp.secret."""
    xmpp = config.xmpp
    server = f"ejabberd at {xmpp.address}:{xmpp.port}"
    try:
        if login:
            await settings.connection(config, settings.stream(config)).probe()
            return ok(LINK, f"{server} accepts {xmpp.jid} and xmpp.secret")
        await check_listener(xmpp.address, xmpp.port, xmpp.jid)
    except ServerRefused as error:
        return refused(error)
    return ok(
        LINK,
        f"{server} listens for components; xmpp.jid and xmpp.secret were not tried "
        "(--login tries them)",
    )


def refused(error: ServerRefused) -> Finding:
    """Return the finding about a server that refuses the component, or is not there."""
    return Finding(id=LINK, severity=Severity.ERROR, seen=f"ejabberd: {error}")
