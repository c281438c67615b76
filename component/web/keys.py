"""The typed keys under which handlers find values in their application and in a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    # Not needed to make the keys: a start is shorter without the parts that it does not use.
    from aiohttp.typedefs import Handler

    from component.core.access.audit import Audit
    from component.core.access.authorize import Authorizer
    from component.core.access.principals import Principal
    from component.core.accounts.protocol import AccountSource
    from component.core.chat.service import Chat
    from component.core.commands.dispatch import CommandService
    from component.core.doctor.server import Grants
    from component.core.ejabberd_api.callers.oauth import OauthTokens
    from component.core.ejabberd_api.callers.passwords import CheckedPasswords
    from component.core.ejabberd_api.service import EjabberdApiService
    from component.core.events.reader import EventReader
    from component.core.figures import Figures
    from component.core.gaps import Gaps
    from component.core.gateway.service import Gateway
    from component.core.gateway.sessions import GatewaySession
    from component.core.hosts import Hosts
    from component.core.push.subscriptions import PushSubscriptions
    from component.core.reading.browsing import ArchiveBrowser
    from component.core.reading.pages import Pager
    from component.core.reading.reader import ArchiveReader
    from component.core.remote_data.archive import RemoteArchive
    from component.core.remote_data.offline import OfflineStanzas
    from component.core.retention.admin import ArchiveAdmin
    from component.core.retention.orders import ArchiveOrders
    from component.core.rosters.service import RosterService
    from component.core.sessions.actions import SessionActions
    from component.core.sessions.sending import Sender
    from component.core.tokens.access_tokens import AccessToken
    from component.core.tokens.sign_ins import SignIns
    from component.core.turns import Turns
    from component.core.xml.jids import Jids
    from component.handlers.archive import HandlerArchive
    from component.web.auth.guessing import GuessLimit
    from component.web.health.readiness import Readiness
    from component.web.metrics.state import ProgramState
    from component.web.operators.sessions import OperatorSessions
    from component.web.server.addresses import LogOnce
    from component.web.server.settings import ListenerSettings, WebSettings
    from component.web.task_limit import TaskLimit


settings: web.AppKey[WebSettings] = web.AppKey("settings")
guess_limit: web.AppKey[GuessLimit] = web.AppKey("guess_limit")
refusal_log: web.AppKey[LogOnce] = web.AppKey("refusal_log")
hosts: web.AppKey[Hosts] = web.AppKey("hosts")
grants: web.AppKey[Grants] = web.AppKey("grants")
handler_archive: web.AppKey[HandlerArchive] = web.AppKey("handler_archive")
remote_archive: web.AppKey[RemoteArchive] = web.AppKey("remote_archive")
accounts: web.AppKey[AccountSource] = web.AppKey("accounts")
offline_stanzas: web.AppKey[OfflineStanzas] = web.AppKey("offline_stanzas")
readiness: web.AppKey[Readiness] = web.AppKey("readiness")
jids: web.AppKey[Jids] = web.AppKey("jids")
audit: web.AppKey[Audit] = web.AppKey("audit")
pager: web.AppKey[Pager] = web.AppKey("pager")
reader: web.AppKey[ArchiveReader] = web.AppKey("reader")
authorizer: web.AppKey[Authorizer] = web.AppKey("authorizer")
turns: web.AppKey[Turns] = web.AppKey("turns")
stream_limit: web.AppKey[TaskLimit] = web.AppKey("stream_limit")
poll_limit: web.AppKey[TaskLimit] = web.AppKey("poll_limit")
events: web.AppKey[EventReader] = web.AppKey("events")
orders: web.AppKey[ArchiveOrders] = web.AppKey("orders")
administration: web.AppKey[ArchiveAdmin] = web.AppKey("administration")
commands: web.AppKey[CommandService] = web.AppKey("commands")
rosters: web.AppKey[RosterService] = web.AppKey("rosters")
sign_ins: web.AppKey[SignIns] = web.AppKey("sign_ins")
sender: web.AppKey[Sender] = web.AppKey("sender")
gateway: web.AppKey[Gateway] = web.AppKey("gateway")
push: web.AppKey[PushSubscriptions] = web.AppKey("push")
chat: web.AppKey[Chat] = web.AppKey("chat")
ejabberd_api: web.AppKey[EjabberdApiService] = web.AppKey("ejabberd_api")
oauth_tokens: web.AppKey[OauthTokens] = web.AppKey("oauth_tokens")
checked_passwords: web.AppKey[CheckedPasswords] = web.AppKey("checked_passwords")
session_actions: web.AppKey[SessionActions] = web.AppKey("session_actions")

browser: web.AppKey[ArchiveBrowser] = web.AppKey("browser")
figures: web.AppKey[Figures] = web.AppKey("figures")
gaps: web.AppKey[Gaps] = web.AppKey("gaps")
program_state: web.AppKey[ProgramState] = web.AppKey("program_state")
operator_sessions: web.AppKey[OperatorSessions] = web.AppKey("operator_sessions")

#: In the application of a family: the limits of its listener.
limits: web.AppKey[ListenerSettings] = web.AppKey("limits")

#: In the application of a family: handlers without a deadline, such as streams and exports.
streaming_handlers: web.AppKey[frozenset[Handler]] = web.AppKey("streaming_handlers")
is_watched: web.AppKey[bool] = web.AppKey("is_watched")

#: In a family: handlers that accept a ticket instead of an access token.
ticket_handlers: web.AppKey[frozenset[Handler]] = web.AppKey("ticket_handlers")

#: In a request: the party that its caller belongs to, behind a trusted proxy or not.
party: web.RequestKey[str] = web.RequestKey("party")

#: In a request: the principal that sent it.
principal: web.RequestKey[Principal] = web.RequestKey("principal")

#: In a request of a user: its access token.
access_token: web.RequestKey[AccessToken] = web.RequestKey("access_token")

#: In a request to the gateway: its session.
gateway_session: web.RequestKey[GatewaySession] = web.RequestKey("gateway_session")
