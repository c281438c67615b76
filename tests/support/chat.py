"""Chat over a real store, without an XMPP server."""

from __future__ import annotations

from typing import Any

from component.core.chat.settings import ChatSettings
from component.web.server.settings import Services
from component.wiring.chat import with_chat
from support.sign_in import with_sign_in

PASSWORD = "pencil"


async def chat_services(services: Services, *jids: str) -> Services:
    """Return services that let the users of some new accounts sign in."""
    for jid in jids:
        await services.accounts.admin.register(jid, PASSWORD)
    return with_sign_in(services)


def with_chat_for(services: Services, *, has_accounts: bool = True, **options: Any) -> Services:
    """Return services with chat; `options` are those of ChatSettings."""
    audit = services.commands.audit
    return with_chat(services, ChatSettings(**options), audit, has_accounts=has_accounts)
