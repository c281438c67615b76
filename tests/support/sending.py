"""The sender of the messages of users, over a server in the place of ejabberd."""

from __future__ import annotations

from component.core.reading.reader import ArchiveReader
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.sending import Sender
from component.web.server.settings import Services, WebSettings, pager_of
from support.sign_in import BOTH


def sender_of(
    services: Services,
    sessions: ClientSessions,
    *,
    web: WebSettings = BOTH,
    seconds: float = 2.0,
) -> Sender:
    """Return a sender that waits `seconds` for the server and for the archive."""
    reader = ArchiveReader(
        services.authorizer,
        services.storage,
        services.queue,
        pager_of(web, services),
        services.followers,
        services.displayed,
    )
    return Sender(sessions, reader, taken_seconds=seconds, archived_seconds=seconds)
