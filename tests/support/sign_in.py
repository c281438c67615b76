"""Sign-in of users on the public listener, over a real store in memory."""

from __future__ import annotations

from dataclasses import replace

from component.core.tokens.access_tokens import AccessTokens, Key
from component.core.tokens.sign_ins import SignIns
from component.web.server.settings import PUBLIC, Services
from support.http_services import SETTINGS

#: The settings of both listeners, each on a free port.
BOTH = replace(SETTINGS, public=replace(PUBLIC, port=0))


def with_sign_in(services: Services, *, lifetime_seconds: int = 600) -> Services:
    """Return services that let users sign in; access tokens have this lifetime."""
    sign_ins = SignIns(
        services.storage.sign_ins,
        AccessTokens(Key.generate(), lifetime_seconds=lifetime_seconds),
        services.accounts.authenticator,
        services.hosts,
        refresh_days=30,
    )
    return replace(services, sign_ins=sign_ins)
