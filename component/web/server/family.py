"""API families: each is an aiohttp application, and a listener serves several of them.

Families may share a prefix, so none may own all paths below it, as a sub-application of
`add_subapp` would. A request goes to the first family that has a route for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_urldispatcher import MatchInfoError
from yarl import URL

from component.web import keys
from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from component.web.server import errors
from component.web.server.limits import enforce_deadline
from component.web.server.measuring import measure
from component.web.server.operation import ErrorBody, Scheme
from component.web.server.settings import Listener, Services, WebSettings
from component.web.server.turns import in_turn

#: Makes an application with the routes of a family, and the parts that its handlers use. The first
#: argument is the prefix of its paths.
MakeApp = Callable[[str, WebSettings, Services], web.Application]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One API."""

    name: str
    listener: Listener
    #: of all its paths; `{prefix}` in it stands for http.prefix, `{gateway}` for gateway.prefix,
    #: `{ejabberd_api}` for ejabberd_api.prefix, `{condor_chat}` and `{bpo_chat}` for theirs
    prefix: str
    make_app: MakeApp
    authenticate: Middleware | None  #: None: no authentication
    error_shape: errors.Shape = errors.response
    error_body: Any = ErrorBody  #: the type of the JSON of `error_shape`
    #: the ways in which a caller may prove who it is, each sufficient; (): without
    schemes: tuple[Scheme, ...] = ()
    is_api: bool = True  #: False: pages and their files, which the OpenAPI document leaves out
    needs_sign_in: bool = False  #: served only where users can sign in
    needs_gateway: bool = False  #: served only where there is a REST gateway
    needs_ejabberd_api: bool = False  #: served only where ejabberd's API is enabled
    needs_chat: bool = False  #: served only where chat is enabled
    needs_condor_chat: bool = False  #: served only where condor_chat's API is enabled
    needs_bpo_chat: bool = False  #: served only where bpo-chat-api's API is enabled
    is_watched: bool = False  #: answered also on connections beyond the limits
    streaming_handlers: frozenset[Handler] = frozenset()  #: have no deadline for the whole answer
    ticket_handlers: frozenset[Handler] = (
        frozenset()
    )  #: accept a ticket instead of an access token

    def is_served(self, settings: WebSettings, services: Services) -> bool:
        """Return whether the program has the parts without which the family is not served."""
        needs = (
            (self.needs_sign_in, services.sign_ins),
            (self.needs_gateway, services.gateway),
            (self.needs_ejabberd_api, services.ejabberd_api),
            (self.needs_chat, services.chat),
            (self.needs_condor_chat, settings.condor_chat),
            (self.needs_bpo_chat, settings.bpo_chat),
        )
        return all(part is not None for is_needed, part in needs if is_needed)

    def path(self, settings: WebSettings) -> str:
        """Return the configured prefix; "" is the root."""
        return self.prefix.format(
            prefix=settings.prefix.rstrip("/"),
            gateway=settings.gateway.prefix.rstrip("/"),
            ejabberd_api=settings.ejabberd_api_prefix.rstrip("/"),
            condor_chat=(settings.condor_chat or CondorChatSettings()).prefix.rstrip("/"),
            bpo_chat=(settings.bpo_chat or BpoChatSettings()).prefix.rstrip("/"),
        )

    def app(self, settings: WebSettings, services: Services) -> web.Application:
        """Return the application of the family, without the middlewares of its listener."""
        app = self.make_app(self.path(settings), settings, services)
        app.middlewares.append(measure(services.metrics, self.name))
        app.middlewares.append(errors.middleware(self.error_shape))
        app.middlewares.append(enforce_deadline)
        if self.authenticate is not None:
            app.middlewares.append(self.authenticate)
            app.middlewares.append(in_turn)
        if services.sign_ins is not None:
            app[keys.sign_ins] = services.sign_ins
        app[keys.settings] = settings
        app[keys.limits] = settings.listener(self.listener)
        app[keys.streaming_handlers] = self.streaming_handlers
        app[keys.is_watched] = self.is_watched
        app[keys.ticket_handlers] = self.ticket_handlers
        return app


class Families(web.AbstractResource):
    """The families of one listener, as a resource of its root application."""

    def __init__(
        self, families: Sequence[Family], settings: WebSettings, services: Services
    ) -> None:
        super().__init__()
        self._apps = [(family, family.app(settings, services)) for family in families]
        self._prefixes = [f"{family.path(settings)}/" for family in families]
        self._resources = [(app, _by_beginning(app)) for _, app in self._apps]

    def mount(self, root: web.Application) -> None:
        """Have the root application serve the families, and start and stop them."""
        root.router.register_resource(self)
        for _, app in self._apps:
            app.pre_freeze()
            root.on_startup.append(_signal(app.startup))
            root.on_shutdown.append(_signal(app.shutdown))
            root.on_cleanup.append(_signal(app.cleanup))

    @property
    def apps(self) -> Sequence[tuple[Family, web.Application]]:
        """The families and their applications, in the order in which they are asked."""
        return self._apps

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo, set[str]]:
        """Return the route of a request; without a route, one family answers the refusal."""
        allowed: set[str] = set()
        path = request.rel_url.path_safe
        for app, resources in self._resources:
            # The router of the application would make an exception where it has no route, which
            # takes longer than all of this.
            for beginning, resource in resources:
                if not path.startswith(beginning):
                    continue
                match, methods = await resource.resolve(request)
                if match is not None:
                    match.add_app(app)
                    return match, allowed
                allowed |= methods
        refusal: web.HTTPException = web.HTTPNotFound()
        if allowed:
            refusal = web.HTTPMethodNotAllowed(request.method, allowed)
        unknown = MatchInfoError(refusal)
        refusing = self._app_for_unknown(request.path)
        if refusing is not None:
            unknown.add_app(refusing)
        return unknown, allowed

    def _app_for_unknown(self, path: str) -> web.Application | None:
        """Return the application that refuses an unknown path; None: the root application.

        It is the first one whose prefix the path has, or else the last one. Families without
        authentication do not count, so that strangers do not learn which paths there are.
        """
        closed = [
            (prefix, app)
            for (family, app), prefix in zip(self._apps, self._prefixes, strict=True)
            if family.authenticate
        ]
        for prefix, app in closed:
            if f"{path}/".startswith(prefix):
                return app
        return closed[-1][1] if closed else None

    @property
    def canonical(self) -> str:
        """The common path of the families: the root."""
        return "/"

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        for _, app in self._apps:
            yield from app.router.routes()

    def __len__(self) -> int:
        return sum(len(app.router.routes()) for _, app in self._apps)

    def url_for(self, **parts: str) -> URL:
        """Raise RuntimeError, because only the routes have addresses."""
        raise RuntimeError("the routes have addresses")

    def add_prefix(self, prefix: str) -> None:
        """Raise RuntimeError, because each family has a prefix already."""
        raise RuntimeError("each family has a prefix already")

    def get_info(self) -> Any:
        """Return an empty value: the resource has no information beside its routes."""
        return {}

    def raw_match(self, path: str) -> bool:
        """Return False: no route is added to this resource later."""
        return False


def _by_beginning(app: web.Application) -> list[tuple[str, web.AbstractResource]]:
    """Return resources by the constant beginnings of their paths.

    The longest beginning goes first: in this order the router of aiohttp tries them.
    """
    resources = [(_beginning(resource), resource) for resource in app.router.resources()]
    return sorted(resources, key=lambda item: len(item[0]), reverse=True)


def _beginning(resource: web.AbstractResource) -> str:
    """Return the parts of a path before the first variable one, without a slash at the end."""
    constant, brace, _ = resource.canonical.partition("{")
    return (constant.rpartition("/")[0] if brace else constant).rstrip("/")


def _signal(call: Callable[[], Any]) -> Callable[[web.Application], Any]:
    async def on_signal(_: web.Application) -> None:
        await call()

    return on_signal
