"""The typed keys under which handlers find values in their application and in a request."""

from __future__ import annotations

from aiohttp import web
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

settings = web.AppKey("settings", WebSettings)
guess_limit = web.AppKey("guess_limit", GuessLimit)
refusal_log = web.AppKey("refusal_log", LogOnce)
hosts = web.AppKey("hosts", Hosts)
grants = web.AppKey("grants", Grants)
handler_archive = web.AppKey("handler_archive", HandlerArchive)
remote_archive = web.AppKey("remote_archive", RemoteArchive)
accounts = web.AppKey("accounts", AccountSource)
offline_stanzas = web.AppKey("offline_stanzas", OfflineStanzas)
readiness = web.AppKey("readiness", Readiness)
jids = web.AppKey("jids", Jids)
audit = web.AppKey("audit", Audit)
pager = web.AppKey("pager", Pager)
reader = web.AppKey("reader", ArchiveReader)
authorizer = web.AppKey("authorizer", Authorizer)
turns = web.AppKey("turns", Turns)
stream_limit = web.AppKey("stream_limit", TaskLimit)
poll_limit = web.AppKey("poll_limit", TaskLimit)
events = web.AppKey("events", EventReader)
orders = web.AppKey("orders", ArchiveOrders)
administration = web.AppKey("administration", ArchiveAdmin)
commands = web.AppKey("commands", CommandService)
rosters = web.AppKey("rosters", RosterService)
sign_ins = web.AppKey("sign_ins", SignIns)
sender = web.AppKey("sender", Sender)
gateway = web.AppKey("gateway", Gateway)
push = web.AppKey("push", PushSubscriptions)
chat = web.AppKey("chat", Chat)
ejabberd_api = web.AppKey("ejabberd_api", EjabberdApiService)
oauth_tokens = web.AppKey("oauth_tokens", OauthTokens)
checked_passwords = web.AppKey("checked_passwords", CheckedPasswords)
session_actions = web.AppKey("session_actions", SessionActions)

browser = web.AppKey("browser", ArchiveBrowser)
figures = web.AppKey("figures", Figures)
gaps = web.AppKey("gaps", Gaps)
program_state = web.AppKey("program_state", ProgramState)
operator_sessions = web.AppKey("operator_sessions", OperatorSessions)

#: In the application of a family: the limits of its listener.
limits = web.AppKey("limits", ListenerSettings)

#: In the application of a family: handlers without a deadline, such as streams and exports.
streaming_handlers = web.AppKey("streaming_handlers", frozenset[Handler])
is_watched = web.AppKey("is_watched", bool)

#: In a family: handlers that accept a ticket instead of an access token.
ticket_handlers = web.AppKey("ticket_handlers", frozenset[Handler])

#: In a request: the party that its caller belongs to, behind a trusted proxy or not.
party = web.RequestKey("party", str)

#: In a request: the principal that sent it.
principal = web.RequestKey[Principal]("principal", Principal)  # type: ignore[arg-type]

#: In a request of a user: its access token.
access_token = web.RequestKey("access_token", AccessToken)

#: In a request to the gateway: its session.
gateway_session = web.RequestKey("gateway_session", GatewaySession)
