"""Make chat from the parts of the program."""

from __future__ import annotations

from dataclasses import replace

from component.core.access.audit import Audit
from component.core.chat.conversations import ChatConversations
from component.core.chat.directory import Directory
from component.core.chat.identifiers import Identifiers
from component.core.chat.invitations import RoomInvitations
from component.core.chat.memberships import Memberships
from component.core.chat.numbered import NumberedConversations
from component.core.chat.read_marks import ReadMarks
from component.core.chat.rooms import ChatRooms
from component.core.chat.search import ChatSearch
from component.core.chat.service import Chat
from component.core.chat.settings import ChatSettings
from component.core.chat.sign_up import SignUp
from component.core.reading.reader import ArchiveReader
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.queries import UserQueries
from component.web.server.settings import Services, WebSettings, pager_of


def with_chat(
    services: Services,
    web: WebSettings,
    settings: ChatSettings,
    audit: Audit,
    sessions: ClientSessions | None,
    *,
    has_accounts: bool,
) -> Services:
    """Return services with chat; without sign-in there is none.

    Without `sessions` users find each other and read direct chats. `has_accounts` is whether the
    accounts are in the store.
    """
    if services.sign_ins is None:
        return services
    directory = Directory(
        services.storage.profiles,
        services.accounts,
        audit,
        settings,
        lists_accounts=not has_accounts,
    )
    services.signals.listen_erased(directory.forget)
    queries = None if sessions is None else UserQueries(sessions)
    memberships = rooms = invitations = None
    actions, storage, hosts = services.session_actions, services.storage, services.hosts
    if sessions is not None and queries is not None and actions is not None:
        memberships = Memberships(
            services.rooms,
            storage.rooms,
            services.room_info,
            queries,
            actions,
            hosts,
            services.signals,
            fresh_seconds=settings.members_seconds,
        )
        services.signals.listen_erased(memberships.forget)
        rooms = ChatRooms(
            services.rooms,
            memberships,
            storage,
            directory,
            queries,
            actions,
            sessions,
            hosts,
            settings,
        )
        invitations = RoomInvitations(rooms, memberships, storage.rooms, settings)
    pager = pager_of(web, services)
    reader = ArchiveReader(
        services.authorizer.for_users(services.opened.admits),
        storage,
        services.queue,
        pager,
        services.followers,
        services.displayed,
        services.gaps,
    )
    marks = ReadMarks(storage.archive, reader, services.sender, queries, hosts, services.followers)
    conversations = ChatConversations(
        reader,
        storage,
        services.queue,
        pager,
        hosts,
        directory,
        services.sender,
        marks,
        memberships,
    )
    identifiers = Identifiers(storage.identifiers)
    chat = Chat(
        settings=settings,
        directory=directory,
        sign_up=SignUp(services.accounts, services.administration, directory, hosts, settings),
        identifiers=identifiers,
        conversations=conversations,
        numbered=NumberedConversations(identifiers, services.queue, hosts, memberships),
        search=ChatSearch(reader, hosts, directory, memberships),
        marks=marks,
        rooms=rooms,
        invitations=invitations,
    )
    return replace(services, chat=chat)
