"""Make chat from the parts of the program."""

from __future__ import annotations

from dataclasses import replace

from component.core.access.audit import Audit
from component.core.chat.directory import Directory
from component.core.chat.service import Chat
from component.core.chat.settings import ChatSettings
from component.web.server.settings import Services


def with_chat(
    services: Services, settings: ChatSettings, audit: Audit, *, has_accounts: bool
) -> Services:
    """Return services with chat; without sign-in there is none.

    `has_accounts` is whether the accounts are in the store.
    """
    if services.sign_ins is None:
        return services
    storage = services.storage
    directory = Directory(
        storage.profiles,
        services.accounts,
        audit,
        settings,
        lists_accounts=not has_accounts,
    )
    return replace(services, chat=Chat(settings=settings, directory=directory))
