"""The API families, and the application of each listener, which serves them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from component.core.turns import Turns
from component.web import keys
from component.web.auth.guessing import GuessLimit
from component.web.openapi.document import ApiDocument
from component.web.openapi.family import DOCUMENT
from component.web.openapi.level import name_level
from component.web.operators.sessions import OperatorSessions
from component.web.server import cors, errors
from component.web.server.addresses import LogOnce
from component.web.server.family import Families, Family
from component.web.server.forwarding import identify
from component.web.server.limits import refuse_beyond_limits
from component.web.server.listener import listen
from component.web.server.settings import Listener, Services, WebSettings
from component.web.server.turns import LIMITS
from component.web.task_limit import TaskLimit


def families_of(listener: Listener) -> Sequence[Family]:
    """Return the families that a listener may serve, in the order in which they are asked."""
    # Imported here, because few programs serve both: a start is shorter without the other ones.
    if listener is Listener.PRIVATE:
        from component.web import private_families

        return private_families.FAMILIES
    from component.web import public_families

    return public_families.FAMILIES


def make_app(
    settings: WebSettings,
    services: Services,
    listener: Listener = Listener.PRIVATE,
    families: Sequence[Family] | None = None,
) -> web.Application:
    """Return the application of a listener: its families, and the parts that they share.

    `families` are those of any listener; None: those of the program.
    """
    limits = settings.listener(listener)
    app = web.Application(
        middlewares=[errors.middleware(), refuse_beyond_limits, identify(limits)],
        client_max_size=limits.max_body_bytes,
    )
    cors.allow(app, limits.cors_origins)
    limits_of_all = services.limits
    guesses = None if limits_of_all is None else limits_of_all.bucket(f"http {listener}")
    app[keys.guess_limit] = GuessLimit(guesses)
    app[keys.refusal_log] = LogOnce()
    app[keys.operator_sessions] = OperatorSessions()
    app[keys.turns] = Turns(LIMITS)
    stream_limit = TaskLimit(limits.max_streams, limits.max_streams_per_caller)
    app[keys.stream_limit] = stream_limit
    app.on_shutdown.append(stream_limit.close)
    poll_limit = TaskLimit(settings.max_polls, settings.max_polls_per_user, "polls")
    app[keys.poll_limit] = poll_limit
    metrics = services.metrics
    metrics.streams.labels(listener.name.lower()).set_function(lambda: stream_limit.count)
    metrics.polls.labels(listener.name.lower()).set_function(lambda: poll_limit.count)
    app.on_shutdown.append(poll_limit.close)
    served = [
        family
        for family in (families_of(listener) if families is None else families)
        if family.listener is listener and family.is_served(settings, services)
    ]
    mounted = Families(served, settings, services)
    app[DOCUMENT] = ApiDocument(listener, settings, mounted.apps)
    app.on_response_prepare.append(name_level)
    mounted.mount(app)
    return app


def serve(
    settings: WebSettings, services: Services, listener: Listener = Listener.PRIVATE
) -> AbstractAsyncContextManager[str]:
    """Serve a listener while the context is open; its value is the address to call.

    Raises OSError, with our own text, if the program cannot listen on the address.
    """
    return listen(make_app(settings, services, listener), settings.listener(listener))
