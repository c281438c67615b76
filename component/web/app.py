"""The API families, and the application of each listener, which serves them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from component.core.turns import Turns
from component.web import keys
from component.web.admin.family import ADMINISTRATION
from component.web.archive.family import ARCHIVE, OWN_ARCHIVE
from component.web.auth.guessing import GuessLimit
from component.web.bpo_chat.family import BPO_CHAT, BPO_CHAT_OPEN
from component.web.chat.family import CHAT, CHAT_SIGN_UP
from component.web.condor_chat.family import CONDOR_CHAT, CONDOR_CHAT_OPEN
from component.web.ejabberd_api.family import EJABBERD_API, VERSIONED_EJABBERD_API
from component.web.events.family import EVENTS
from component.web.gateway.family import GATEWAY, GATEWAY_START, GATEWAY_STATUS
from component.web.health.family import HEALTH, LIVENESS
from component.web.metrics.family import METRICS
from component.web.openapi.document import ApiDocument
from component.web.openapi.family import DOCS, DOCUMENT, PUBLIC_DOCS
from component.web.openapi.level import name_level
from component.web.operators.family import OPERATOR_PAGES, OPERATOR_SIGN_IN
from component.web.operators.sessions import OperatorSessions
from component.web.pages.family import CHAT_PAGE
from component.web.push.family import PUSH
from component.web.remote_data.family import REMOTE_DATA
from component.web.server import cors, errors
from component.web.server.addresses import LogOnce
from component.web.server.family import Families, Family
from component.web.server.forwarding import identify
from component.web.server.limits import refuse_beyond_limits
from component.web.server.listener import listen
from component.web.server.settings import Listener, Services, WebSettings
from component.web.server.turns import LIMITS
from component.web.sign_in.family import SIGN_IN, SIGN_INS
from component.web.task_limit import TaskLimit

#: A request goes to the first one that has a route for it.
FAMILIES = (
    HEALTH,
    LIVENESS,
    METRICS,
    DOCS,
    PUBLIC_DOCS,
    CHAT_SIGN_UP,
    CHAT,
    ARCHIVE,
    ADMINISTRATION,
    OPERATOR_SIGN_IN,
    OPERATOR_PAGES,
    SIGN_IN,
    SIGN_INS,
    OWN_ARCHIVE,
    EVENTS,
    PUSH,
    # Before ejabberd's API, whose paths with versions may look the same.
    CONDOR_CHAT_OPEN,
    CONDOR_CHAT,
    BPO_CHAT_OPEN,
    BPO_CHAT,
    EJABBERD_API,
    VERSIONED_EJABBERD_API,
    REMOTE_DATA,
    CHAT_PAGE,
    # The last ones, because by default they have no prefix.
    GATEWAY_STATUS,
    GATEWAY_START,
    GATEWAY,
)


def make_app(
    settings: WebSettings,
    services: Services,
    listener: Listener = Listener.PRIVATE,
    families: Sequence[Family] = FAMILIES,
) -> web.Application:
    """Return the application of a listener: its families, and the parts that they share."""
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
        for family in families
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
