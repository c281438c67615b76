"""The retention rules of an archive."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field, model_validator

from component.core.access.principals import Role
from component.core.errors import Refused
from component.core.retention.plan import RetentionLimits
from component.web import keys
from component.web.admin.models import MAX_DAYS, MAX_NUMBER
from component.web.auth import authenticate
from component.web.operators.models import Address, NoParameters, PageParameters
from component.web.operators.rendering import render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, bare_jid, owner_of, routes_at
from storage.rows import Rule

_Days = Annotated[int, Field(ge=0, le=MAX_DAYS)]
_Amount = Annotated[int, Field(ge=0, le=MAX_NUMBER)]


class RuleFields(PageParameters):
    """POST {prefix}/archives/{owner}/retention."""

    peer: Address | None = None
    days: _Days | None = None
    messages: _Amount | None = None
    bytes: _Amount | None = None
    confirm: bool = False

    @model_validator(mode="after")
    def _is_a_rule(self) -> RuleFields:
        """Refuse a rule without any limit."""
        if self.days is None and self.messages is None and self.bytes is None:
            raise ValueError("enter at least one limit: days, messages or bytes")
        return self


class RemovalFields(PageParameters):
    """POST {prefix}/archives/{owner}/retention/remove."""

    peer: Address | None = None
    confirm: bool = False


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    retention = f"{prefix}{ARCHIVE}/retention"
    return [
        *routes_at(web.get, retention, show_rules),
        *routes_at(web.post, retention, set_rule),
        *routes_at(web.post, f"{retention}/remove", remove_rule),
    ]


async def show_rules(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/retention: the rules of an archive, and the defaults."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.query(request))
    return _page(request, await owner_of(request))


async def set_rule(request: web.Request) -> web.Response:
    """POST {prefix}/archives/{owner}/retention: set a rule."""
    principal, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    values = await body.fields(request)
    try:
        fields = checked(RuleFields, values)
        rule = Rule(
            owner=owner,
            peer="" if fields.peer is None else bare_jid(request, fields.peer),
            days=fields.days,
            messages=fields.messages,
            bytes=fields.bytes,
        )
        await request.app[keys.orders].set_rule(principal, rule, is_confirmed=fields.confirm)
    except Refused as refused:
        return _page(request, owner, refused, values)
    return see("archives", owner, "retention")


async def remove_rule(request: web.Request) -> web.Response:
    """POST {prefix}/archives/{owner}/retention/remove: remove a rule."""
    principal, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    fields = checked(RemovalFields, await body.fields(request))
    try:
        peer = "" if fields.peer is None else bare_jid(request, fields.peer)
        await request.app[keys.orders].drop_rule(
            principal, owner, peer, is_confirmed=fields.confirm
        )
    except Refused as refused:
        return _page(request, owner, refused)
    return see("archives", owner, "retention")


def _page(
    request: web.Request,
    owner: str,
    refused: Refused | None = None,
    entered: dict[str, object] | None = None,
) -> web.Response:
    archives = request.app[keys.administration]
    defaults: RetentionLimits = archives.defaults.of(owner)
    rules = archives.rules.of(owner)
    return render(
        request,
        "orders/retention.html",
        refused=refused,
        owner=owner,
        defaults=defaults,
        rules=[rules[peer] for peer in sorted(rules)],
        fields=entered or {},
        is_held=archives.holds.is_held(owner),
    )
