"""Retention rules and legal holds, for admins: {prefix}/v1/archives/{owner}/retention, /holds."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.retention.plan import RetentionLimits
from component.core.xml.times import format_time
from component.web import keys
from component.web.admin.answers import LegalHold, LegalHolds, Retention, RetentionRule
from component.web.admin.models import (
    HoldFields,
    RetentionChange,
    RetentionFields,
    RetentionParameters,
)
from component.web.archive.models import NoParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import (
    ARCHIVE,
    bare_jid,
    named_owner,
    owner_of,
    routes_at,
    subject_of,
)
from storage.rows import Hold, Rule

HOLD = "/holds/{subject:[^/]+}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    retention = f"{prefix}{ARCHIVE}/retention"
    return [
        *routes_at(web.get, retention, read_retention),
        *routes_at(web.put, retention, set_retention),
        *routes_at(web.delete, retention, drop_retention),
        *routes_at(web.get, f"{prefix}/holds", list_holds),
        *routes_at(web.put, f"{prefix}{HOLD}", hold),
        *routes_at(web.delete, f"{prefix}{HOLD}", release),
    ]


@operation("admin.retention.read", query=RetentionParameters, answers={200: Retention})
async def read_retention(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/retention: its rules, and the defaults."""
    authenticate.require(request, Role.ADMIN)
    owner, peer = await owner_of(request), _peer(request)
    administration = request.app[keys.administration]
    rules = administration.rules.of(owner)
    listed = rules.values() if peer is None else [rules[peer]] if peer in rules else []
    return body.json_response(
        {
            "owner": owner,
            "defaults": _limits(administration.defaults.of(owner)),
            "rules": [_rule(rule) for rule in listed],
        }
    )


@operation(
    "admin.retention.set",
    query=RetentionChange,
    body=RetentionFields,
    answers={200: RetentionRule},
)
async def set_retention(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/archives/{owner}/retention: set a rule."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    change, peer = _change(request)
    fields = checked(RetentionFields, await body.fields(request))
    rule = fields.rule(owner, peer)
    await request.app[keys.orders].set_rule(caller, rule, is_confirmed=change.confirm)
    return body.json_response(_rule(rule))


@operation("admin.retention.remove", query=RetentionChange, answers={204: None})
async def drop_retention(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/retention: remove a rule, so that the defaults apply."""
    caller, owner = authenticate.require(request, Role.ADMIN), named_owner(request)
    change, peer = _change(request)
    orders = request.app[keys.orders]
    await orders.drop_rule(caller, owner, peer, is_confirmed=change.confirm)
    return web.Response(status=204)


@operation("admin.holds.list", answers={200: LegalHolds})
async def list_holds(request: web.Request) -> web.Response:
    """GET {prefix}/v1/holds: all legal holds."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.parameters(request))
    holds = request.app[keys.administration].holds.all()
    return body.json_response({"holds": [_hold(hold) for hold in holds]})


@operation("admin.holds.place", body=HoldFields, answers={200: LegalHold})
async def hold(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/holds/{subject}: keep all messages of a user or a host."""
    caller, subject = authenticate.require(request, Role.ADMIN), subject_of(request)
    checked(NoParameters, body.parameters(request))
    fields = checked(HoldFields, await body.fields(request))
    placed = await request.app[keys.orders].hold(caller, subject, fields.reason)
    return body.json_response(_hold(placed))


@operation("admin.holds.release", answers={204: None})
async def release(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/holds/{subject}: release a hold."""
    caller, subject = authenticate.require(request, Role.ADMIN), subject_of(request)
    checked(NoParameters, body.parameters(request))
    await request.app[keys.orders].release(caller, subject)
    return web.Response(status=204)


def _change(request: web.Request) -> tuple[RetentionChange, str]:
    """Return the parameters of a change, and the peer; "" means the whole archive."""
    parameters = checked(RetentionChange, body.parameters(request))
    return parameters, "" if parameters.peer is None else bare_jid(request, parameters.peer)


def _peer(request: web.Request) -> str | None:
    parameters = checked(RetentionParameters, body.parameters(request))
    return None if parameters.peer is None else bare_jid(request, parameters.peer)


def _limits(limits: RetentionLimits) -> dict[str, object]:
    return {"days": limits.days, "messages": limits.messages, "bytes": limits.bytes}


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "peer": rule.peer or None,
        "days": rule.days,
        "messages": rule.messages,
        "bytes": rule.bytes,
    }


def _hold(hold: Hold) -> dict[str, object]:
    return {
        "subject": hold.subject,
        "reason": hold.reason,
        "by": hold.by,
        "time": format_time(hold.at),
    }
