"""Connect queries over XMPP and HTTP, and commands of operators, to the parts that answer them."""

from __future__ import annotations

from collections.abc import Iterable

from component.config import Config
from component.core.accounts.protocol import AccountSource
from component.core.background import Background
from component.core.commands.context import CommandContext, Connection
from component.core.commands.dispatch import CommandService
from component.core.retention.admin import ArchiveAdmin
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.sending import Sender
from component.core.tokens.sign_ins import SignIns
from component.handlers.functions import Handlers
from component.web.server.settings import Services
from component.wiring.compose import Parts
from component.xmpp.archive import mam, prefs
from component.xmpp.archive.mam import Mam
from component.xmpp.archive.prefs import Prefs
from component.xmpp.archive.prefs_form import preferences_command
from component.xmpp.commands import adhoc
from component.xmpp.commands.adhoc import AdHocCommand, AdHocCommands
from component.xmpp.connection.addresses import Addresses
from component.xmpp.queries import disco
from component.xmpp.queries.delegation import Delegation
from component.xmpp.queries.dispatch import QueryDispatcher
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
) -> CommandService:
    """Return the commands of operators; each has to be answered within `timeout` seconds."""
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
        timeout=timeout,
    )
    return CommandService(context=context, audit=parts.audit)


def answer_queries(
    config: Config, parts: Parts, commands: Iterable[AdHocCommand]
) -> QueryDispatcher:
    """Answer queries from the stream, and announce the supported queries.

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
    disco.announce(
        parts.stream,
        parts.hosts,
        addresses,
        groupchat=config.archive.groupchat,
        features=(adhoc.NS, roster_query.NS),
        items=offered.items,
    )
    delegation = Delegation(parts.privileges, addresses, parts.hosts)
    return QueryDispatcher(
        parts.stream, delegation, addresses, answerers, elsewhere=disco.PAYLOADS
    )


def http_services(
    storage: Storage,
    parts: Parts,
    commands: CommandService,
    *,
    background: Background,
    handlers: Handlers,
    sessions: ClientSessions | None = None,
) -> Services:
    """Return the parts that answer requests over HTTP."""
    context = commands.context
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
        sign_ins=context.sign_ins,
        sender=None if sessions is None else Sender(sessions, parts.reader),
        session_actions=None if sessions is None else SessionActions(sessions),
        followers=parts.followers,
        displayed=parts.displayed,
        journal=parts.journal,
        background=background,
        handlers=handlers,
    )
