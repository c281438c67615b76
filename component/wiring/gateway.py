"""Make the REST gateway from the parts of the program."""

from __future__ import annotations

from dataclasses import replace

from component.core.gateway.contact_book import ContactBook
from component.core.gateway.push import GatewayPush
from component.core.gateway.reader import GatewayReader
from component.core.gateway.service import Gateway
from component.core.gateway.sessions import GatewaySessions
from component.core.gateway.xmpp import UserSessions
from component.web.server.settings import Services, WebSettings, events_of


def with_gateway(services: Services, web: WebSettings, sessions: UserSessions | None) -> Services:
    """Return services with the gateway; without sign-in and sessions there is none."""
    sign_ins, sender, actions = services.sign_ins, services.sender, services.session_actions
    if sessions is None or sign_ins is None or sender is None or actions is None:
        return services
    storage = services.storage
    events = events_of(web, services)
    reader = GatewayReader(storage, events, services.followers, max_bytes=web.page_max_bytes)
    gateway_sessions = GatewaySessions(
        storage.sign_ins,
        sign_ins,
        sessions,
        reader,
        services.hosts,
        web.gateway,
        push=None if services.push is None else GatewayPush(services.push),
        is_opened=services.opened.admits,
    )
    contacts = ContactBook(
        storage.archive,
        reader,
        gateway_sessions,
        sender,
        actions,
        services.journal,
        services.followers.events_changed,
    )
    gateway = Gateway(sessions=gateway_sessions, reader=reader, contacts=contacts)
    return replace(services, gateway=gateway)
