"""Connect queries over XMPP and HTTP, and commands of operators, to the parts that answer them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from component.config import Config
from component.core.accounts.protocol import AccountSource
from component.core.accounts.shared_limits import SharedLimits
from component.core.background import Background
from component.core.commands.context import CommandContext, Connection
from component.core.commands.dispatch import CommandService
from component.core.ejabberd_api.callers.oauth import OauthTokens
from component.core.ejabberd_api.callers.passwords import CheckedPasswords
from component.core.ejabberd_api.callers.permissions import Permissions
from component.core.ejabberd_api.native.backend import Backend
from component.core.push.subscriptions import PushSubscriptions
from component.core.retention.admin import ArchiveAdmin
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.sending import Sender
from component.core.sessions.servers import NONE, OpenedServers
from component.core.tokens.sign_ins import SignIns
from component.handlers.functions import Handlers
from component.web.server.settings import Services
from component.wiring import ejabberd_api
from component.wiring.compose import Parts
from component.xmpp.archive import mam, prefs
from component.xmpp.archive.mam import Mam
from component.xmpp.archive.prefs import Prefs
from component.xmpp.archive.prefs_form import preferences_command
from component.xmpp.commands import adhoc
from component.xmpp.commands.adhoc import AdHocCommand, AdHocCommands
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.stream import Stream
from component.xmpp.copies.other_processes import WRITTEN, WrittenAnswers
from component.xmpp.queries import disco
from component.xmpp.queries.delegation import Delegation
from component.xmpp.queries.dispatch import Answerer, QueryDispatcher
from component.xmpp.queries.privilege import Privileges
from component.xmpp.rosters import query as roster_query
from component.xmpp.rosters.query import RosterQueries
from storage.interface import Storage


def command_service(
    parts: Parts,
    archives: ArchiveAdmin,
    accounts: AccountSource,
    connection: Connection,
    *,
    timeout: float,
    sign_ins: SignIns | None = None,
    sessions: ClientSessions | None = None,
    backend: Backend | None = None,
) -> CommandService:
    """Return the commands of operators; each has to be answered within `timeout` seconds.

    `backend` runs commands on ejabberd; None: it cannot be asked.
    """
    own = ejabberd_api.own_runners(
        parts,
        archives,
        backend or ejabberd_api.unreachable(),
        sign_ins,
        sessions,
        timeout=timeout,
    )
    context = CommandContext(
        hosts=parts.hosts,
        jids=Addresses(),
        archives=archives,
        accounts=accounts,
        rosters=parts.rosters,
        sign_ins=sign_ins,
        queue=parts.preference_filter,
        writer=parts.writer,
        connection=connection,
        gaps=parts.gaps,
        own_commands=own,
        timeout=timeout,
    )
    return CommandService(context=context, audit=parts.audit)


def answer_queries(
    config: Config, parts: Parts, commands: Iterable[AdHocCommand]
) -> QueryDispatcher:
    """Answer queries from the streams, and announce the supported queries.

    Returns the dispatcher of delegated queries.

    `commands` are offered beside the command for a user's own preferences.
    """
    addresses = Addresses()
    archives = Mam(parts.reader, addresses)
    offered = AdHocCommands([preferences_command(parts.preferences, parts.authorizer), *commands])
    answerers = {
        mam.QUERY: archives.answer,
        mam.METADATA: archives.metadata,
        prefs.PREFS: Prefs(parts.preferences, parts.authorizer).answer,
        adhoc.COMMAND: offered.answer,
        roster_query.QUERY: RosterQueries(parts.rosters).answer,
    }

    def answer(
        stream: Stream, privileges: Privileges, own: Mapping[str, Answerer]
    ) -> QueryDispatcher:
        disco.announce(
            stream,
            parts.hosts,
            addresses,
            groupchat=config.archive.groupchat,
            features=(adhoc.NS, roster_query.NS),
            items=offered.items,
        )
        delegation = Delegation(privileges, addresses, parts.hosts)
        return QueryDispatcher(
            stream, delegation, addresses, answerers, own=own, elsewhere=disco.PAYLOADS
        )

    if parts.queries_stream is not parts.stream:
        # Each process answers the queries to its own domain, and the questions of the others.
        questions = WrittenAnswers(parts.joining, config.xmpp.processes)
        answer(parts.stream, parts.privileges, {WRITTEN: questions.answer})
    return answer(parts.queries_stream, parts.queries_privileges, {})


def http_services(
    storage: Storage,
    parts: Parts,
    commands: CommandService,
    *,
    background: Background,
    handlers: Handlers,
    sessions: ClientSessions | None = None,
    push: PushSubscriptions | None = None,
    opened: OpenedServers = NONE,
    backend: Backend | None = None,
    permissions: Permissions | None = None,
    has_oauth: bool = False,
    max_stanza_bytes: int = ejabberd_api.MAX_STANZA_BYTES,
    limits: SharedLimits | None = None,
) -> Services:
    """Return the parts that answer requests over HTTP.

    `backend` runs the commands of ejabberd's API, `permissions` decide who may call them; None:
    the API is not served. `has_oauth` is whether it accepts OAuth tokens of ejabberd. Its messages
    fit into a stanza of `max_stanza_bytes`.
    """
    context = commands.context
    reader = parts.reader.for_users(opened.admits)
    sender = None if sessions is None else Sender(sessions, reader)
    actions = None if sessions is None else SessionActions(sessions)
    passwords = CheckedPasswords(context.accounts.authenticator)
    api = None
    if backend is not None and permissions is not None:
        api = ejabberd_api.service(
            backend,
            permissions,
            parts.audit,
            passwords,
            context.sign_ins,
            sender,
            actions,
            context.own_commands,
            parts.room_queries,
            max_stanza_bytes=max_stanza_bytes,
        )
    return Services(
        storage=storage,
        authorizer=parts.authorizer,
        writer=parts.writer,
        queue=parts.preference_filter,
        link=parts.stream,
        grants=parts.grants,
        jids=Addresses(),
        administration=context.archives,
        commands=commands,
        accounts=context.accounts,
        rosters=parts.rosters,
        hosts=parts.hosts,
        rooms=parts.rooms,
        room_info=parts.room_queries,
        sign_ins=context.sign_ins,
        push=push,
        sender=sender,
        opened=opened,
        ejabberd_api=api,
        checked_passwords=passwords,
        oauth_tokens=OauthTokens(backend) if backend is not None and has_oauth else None,
        session_actions=actions,
        followers=parts.followers,
        displayed=parts.displayed,
        gaps=parts.gaps,
        metrics=parts.metrics,
        journal=parts.journal,
        limits=limits,
        signals=parts.signals,
        background=background,
        handlers=handlers,
    )
