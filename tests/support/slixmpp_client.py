"""A client with slixmpp, without TLS on loopback, which leaves no task after its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from slixmpp import ClientXMPP, Presence

from support.ejabberd import Account
from support.ports import LOOPBACK
from support.server import Server

PLUGINS = ("xep_0030", "xep_0059", "xep_0280", "xep_0313")

#: Maximum time of a login. Twenty logins at once may take more than 10 s on a busy machine.
SECONDS = 60.0

#: There is no TLS on loopback, without which slixmpp sends no passwords by default.
ALLOWED = {"feature_mechanisms": {"unencrypted_plain": True, "unencrypted_scram": True}}


@asynccontextmanager
async def slixmpp_client(
    account: Account, port: int, resource: str = "slixmpp"
) -> AsyncIterator[ClientXMPP]:
    """Log in with slixmpp, and be available. Raises ConnectionError, TimeoutError."""
    client = ClientXMPP(f"{account.jid}/{resource}", account.password, plugin_config=ALLOWED)
    client.enable_starttls = False
    client.enable_direct_tls = False
    client.enable_plaintext = True
    for plugin in PLUGINS:
        client.register_plugin(plugin)
    client.connect(LOOPBACK, port)
    try:
        await _started(client)
        await _available(client)
        yield client
    finally:
        await _put_away(client)


async def _started(client: ClientXMPP) -> None:
    started = asyncio.get_running_loop().create_future()

    def refused(_: object) -> None:
        if not started.done():
            started.set_exception(ConnectionError(f"{client.boundjid} is not let in"))

    def begun(_: object) -> None:
        if not started.done():
            started.set_result(None)

    client.add_event_handler("session_start", begun)
    client.add_event_handler("failed_all_auth", refused)
    await asyncio.wait_for(started, SECONDS)


async def _available(client: ClientXMPP) -> None:
    """Send presence, and wait for the server's copy (RFC 6121 section 4.2.2).

    Before the server has read the presence, it keeps a message to the account for later.
    """
    available = asyncio.Event()

    def reflected(presence: Presence) -> None:
        if presence["from"] == client.boundjid:
            available.set()

    client.add_event_handler("presence_available", reflected)
    client.send_presence()
    await asyncio.wait_for(available.wait(), SECONDS)
    client.del_event_handler("presence_available", reflected)


async def _put_away(client: ClientXMPP) -> None:
    client.cancel_connection_attempt()
    await client.disconnect()
    # This task never ends, not even when slixmpp disconnects.
    sending = client._run_out_filters
    if sending is not None:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


async def logs_in(server: Server, account: Account) -> bool:
    """Return whether slixmpp can log in."""
    try:
        async with slixmpp_client(account, server.ejabberd.ports.c2s):
            return True
    except ConnectionError:
        return False
