"""ejabberd's API: its permissions and the functions that run its commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from component.clients.ejabberd_commands import EjabberdCommands
from component.config import Config
from component.core.access.audit import Audit
from component.core.ejabberd_api.accounts import AccountCommands
from component.core.ejabberd_api.backend import Backend
from component.core.ejabberd_api.calls import Call, Forecaster, Runner
from component.core.ejabberd_api.definitions import ApiRole
from component.core.ejabberd_api.logins import CheckedPasswords
from component.core.ejabberd_api.permissions import Permissions
from component.core.ejabberd_api.presences import PresenceCommands
from component.core.ejabberd_api.rooms import RoomCommands
from component.core.ejabberd_api.sending import SendingCommands
from component.core.ejabberd_api.service import EjabberdApiService
from component.core.ejabberd_api.vcards import VcardCommands
from component.core.sessions.sending import Sender
from component.core.tokens.sign_ins import SignIns
from component.core.xml.jids import Jids
from component.wiring.account_sources import ejabberd_http

#: The label of the sign-in with which a session of a caller logs in.
LABEL = "ejabberd API"


@asynccontextmanager
async def backend(config: Config) -> AsyncIterator[Backend]:
    """Open the client of the ejabberd that runs the native commands."""
    if config.accounts.api_url is None:
        yield Backend(EjabberdCommands(None))
        return
    async with ejabberd_http(config, config.accounts.api_url) as api:
        yield Backend(EjabberdCommands(api))


def permissions(config: Config, jids: Jids) -> Permissions:
    """Return the configured permissions."""
    options = config.ejabberd_api
    return Permissions(
        jids=jids,
        admins=frozenset(map(jids.prepare, options.admins)),
        services=frozenset(map(jids.prepare, options.services)),
        access=dict(map(_access, options.access)),
        passed_on=options.passed_on,
    )


def service(
    backend: Backend,
    permissions: Permissions,
    audit: Audit,
    passwords: CheckedPasswords,
    sign_ins: SignIns | None,
    sender: Sender | None,
) -> EjabberdApiService:
    """Return the commands of the API."""
    jids = permissions.jids
    rooms, vcards = RoomCommands(backend), VcardCommands(backend)
    accounts = AccountCommands(backend, jids, passwords, sign_ins)

    async def sign_in(call: Call) -> None:
        if sign_ins is None or call.password is None:
            return
        sign_ins.remember(call.caller.jid, call.password)
        if await sign_ins.access_token(call.caller.jid) is None:
            await sign_ins.sign_in(call.caller.jid, call.password, LABEL)

    sending = SendingCommands(backend, rooms, jids, sender, sign_in)
    runners: Mapping[str, Runner] = {
        "register": accounts.change,
        "change_password": accounts.change,
        "unregister": accounts.change,
        "muc_online_rooms": rooms.online_rooms,
        "create_room": rooms.create,
        "get_presence": PresenceCommands(backend).get,
        "get_vcard": vcards.get,
        "set_vcard": vcards.set,
        "send_message": sending.send,
    }
    forecasters: Mapping[str, Forecaster] = {"send_message": sending.forecast}
    return EjabberdApiService(permissions, backend, audit, rooms, runners, forecasters)


def _access(text: str) -> tuple[str, frozenset[ApiRole]]:
    """Return the command and the roles of an entry of ejabberd_api.access."""
    name, _, roles = text.partition(": ")
    return name, frozenset(map(ApiRole, roles.split()))
