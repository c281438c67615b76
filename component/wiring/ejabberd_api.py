"""ejabberd's API: its permissions and the functions that run its commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from component.clients.ejabberd_commands import EjabberdCommands
from component.config import Config
from component.core.access.audit import Audit
from component.core.access.principals import Operator, Principal, Role, User
from component.core.access.rooms import RoomInfo
from component.core.ejabberd_api.callers.passwords import CheckedPasswords
from component.core.ejabberd_api.callers.permissions import Permissions
from component.core.ejabberd_api.calls import Call, Forecaster, Runner
from component.core.ejabberd_api.definitions import ApiRole
from component.core.ejabberd_api.native.accounts import AccountCommands
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.native.presences import PresenceCommands
from component.core.ejabberd_api.native.rooms import RoomCommands
from component.core.ejabberd_api.native.sending import SendingCommands
from component.core.ejabberd_api.native.vcards import VcardCommands
from component.core.ejabberd_api.own import definitions
from component.core.ejabberd_api.own.archive_commands import ArchiveCommands
from component.core.ejabberd_api.own.request import OwnRequest, OwnRunner, SignIn
from component.core.ejabberd_api.own.session_commands import SessionCommands
from component.core.ejabberd_api.service import EjabberdApiService
from component.core.errors import NotAuthorized
from component.core.retention.admin import ArchiveAdmin
from component.core.retention.erasure import TIMEOUT_SHARE
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.sending import Sender
from component.core.tokens.sign_ins import SignIns
from component.core.xml.jids import Jids
from component.web.archive.messages_json import message
from component.wiring.account_sources import ejabberd_http
from component.wiring.compose import Parts
from component.xmpp.connection.addresses import Addresses

#: The label of the sign-in with which a session of a caller logs in.
LABEL = "ejabberd API"

#: The default of xmpp.max_stanza_bytes.
MAX_STANZA_BYTES = 1024 * 1024

#: Bytes of a copy of a message beside its texts: three JIDs of up to 3,071 bytes in both stanzas,
#: and the elements around the message.
AROUND_TEXT_MAX_BYTES = 16 * 1024


@asynccontextmanager
async def backend(config: Config) -> AsyncIterator[Backend]:
    """Open the client of the ejabberd that runs the native commands."""
    if config.accounts.api_url is None:
        yield unreachable()
        return
    async with ejabberd_http(config, config.accounts.api_url) as api:
        yield Backend(EjabberdCommands(api))


def unreachable() -> Backend:
    """Return the backend of a program that does not know how to ask ejabberd."""
    return Backend(EjabberdCommands(None))


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
    actions: SessionActions | None,
    own: Mapping[str, OwnRunner],
    rooms_info: RoomInfo | None = None,
    *,
    max_stanza_bytes: int = MAX_STANZA_BYTES,
) -> EjabberdApiService:
    """Return the commands of the API; `own` are those that Muniment itself runs.

    `rooms_info` asks rooms themselves what ejabberd does not tell about them. Archives have no
    larger stanzas than `max_stanza_bytes`.
    """
    jids = permissions.jids
    rooms, vcards = RoomCommands(backend, jids, rooms_info), VcardCommands(backend)
    accounts = AccountCommands(backend, jids, passwords, sign_ins)
    sign_in = signing_in(sign_ins)
    presences = PresenceCommands(backend, actions, sign_in)
    sending = SendingCommands(
        backend,
        rooms,
        jids,
        sender,
        sign_in,
        text_max_bytes=max(max_stanza_bytes - AROUND_TEXT_MAX_BYTES, max_stanza_bytes // 4),
    )
    runners: Mapping[str, Runner] = {
        **{name: _for_caller(runner) for name, runner in own.items()},
        "register": accounts.change,
        "change_password": accounts.change,
        "unregister": accounts.change,
        "muc_online_rooms": rooms.online_rooms,
        "create_room": rooms.create,
        "destroy_room": rooms.destroy,
        "get_room_options": rooms.options,
        "send_direct_invitation": rooms.invite,
        "get_presence": presences.get,
        "set_presence": presences.set,
        "get_vcard": vcards.get,
        "set_vcard": vcards.set,
        "send_message": sending.send,
    }
    forecasters: Mapping[str, Forecaster] = {"send_message": sending.forecast}
    return EjabberdApiService(permissions, backend, audit, rooms, runners, forecasters)


def own_runners(
    parts: Parts,
    archives: ArchiveAdmin,
    backend: Backend,
    sign_ins: SignIns | None,
    sessions: ClientSessions | None,
    *,
    timeout: float,
) -> dict[str, OwnRunner]:
    """Return the commands that Muniment itself runs, by name; each ends within `timeout` seconds.

    `sign_ins` and `sessions` are None where users have none.
    """
    jids = Addresses()
    through_sessions = SessionCommands(
        backend,
        jids,
        None if sessions is None else Sender(sessions, parts.reader),
        None if sessions is None else SessionActions(sessions),
        signing_in(sign_ins),
    )
    about_archives = ArchiveCommands(
        jids,
        parts.reader.for_users(),
        parts.preferences,
        archives,
        lambda item: message(item, xml=False),
        erasure_seconds=TIMEOUT_SHARE * timeout,
    )
    return {
        definitions.SEND_CHAT_STATE.name: through_sessions.send_chat_state,
        definitions.SUBSCRIBE_ROSTER.name: through_sessions.subscribe,
        definitions.UNSUBSCRIBE_ROSTER.name: through_sessions.unsubscribe,
        definitions.JOIN_ROOM.name: through_sessions.join,
        definitions.LEAVE_ROOM.name: through_sessions.leave,
        definitions.MAM_RETRIEVE.name: about_archives.retrieve,
        definitions.GET_MAM_MESSAGES.name: about_archives.retrieve,
        definitions.GET_ROOM_MESSAGES.name: about_archives.room_messages,
        definitions.GET_MAM_PREFERENCES.name: about_archives.preferences,
        definitions.SET_MAM_PREFERENCES.name: about_archives.set_preferences,
        definitions.MAM_REMOVE_ARCHIVE.name: about_archives.erase,
    }


def signing_in(sign_ins: SignIns | None) -> SignIn:
    """Return a function that signs a user in whose password is known, for the session."""

    async def sign_in(jid: str, password: str | None) -> None:
        if sign_ins is None:
            return
        if password is not None and not sign_ins.is_access_token(password):
            sign_ins.remember(jid, password)
        if await sign_ins.access_token(jid) is not None:
            return
        if password is None:
            raise NotAuthorized("The user is signed in nowhere.")
        await sign_ins.sign_in(jid, password, LABEL)

    return sign_in


def _for_caller(runner: OwnRunner) -> Runner:
    """Return a runner of calls: users act as themselves, the other roles as operators."""

    async def run(call: Call) -> Any:
        caller = call.caller
        principal: Principal = User(caller.jid)
        if caller.role is not ApiRole.USER:
            principal = Operator(name=caller.jid, role=Role.ADMIN, jid=caller.jid)
        return await runner(
            OwnRequest(principal=principal, arguments=call.arguments, password=call.password)
        )

    return run


def _access(text: str) -> tuple[str, frozenset[ApiRole]]:
    """Return the command and the roles of an entry of ejabberd_api.access."""
    name, _, roles = text.partition(": ")
    return name, frozenset(map(ApiRole, roles.split()))
