"""How long archives are kept, and what holds them, for admins: retention and legal holds."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.retention.plan import RetentionBounds
from component.core.xml.times import format_time, now
from component.web.admin.models import (
    HoldFields,
    RetentionChange,
    RetentionFields,
    RetentionParameters,
)
from component.web.archive.models import NoParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.paths import (
    ARCHIVE,
    at,
    bare_jid,
    check_served,
    named_owner,
    owner_of,
    subject_of,
)
from storage.rows import Hold, Rule

HOLD = "/v1/holds/{subject:[^/]+}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    retention = f"{prefix}{ARCHIVE}/retention"
    return [
        *at(web.get, retention, read_retention),
        *at(web.put, retention, set_retention),
        *at(web.delete, retention, drop_retention),
        *at(web.get, f"{prefix}/v1/holds", holds),
        *at(web.put, f"{prefix}{HOLD}", hold),
        *at(web.delete, f"{prefix}{HOLD}", release),
    ]


async def read_retention(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/retention: its rules, and what is usual without any."""
    authenticate.require(request, Role.ADMIN)
    owner, peer = await owner_of(request), _peer(request)
    administration = request.app[keys.administration]
    rules = administration.rules.of(owner)
    wanted = rules.values() if peer is None else [rules[peer]] if peer in rules else []
    return body.answer(
        {
            "owner": owner,
            "usual": _bounds(administration.defaults.of(owner)),
            "rules": [_rule(each) for each in wanted],
        }
    )


async def set_retention(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/archives/{owner}/retention: a rule in the place of what is usual."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    change, peer = _change(request)
    asked = checked(RetentionFields, await body.fields(request))
    rule = asked.rule(owner, peer)
    administration = request.app[keys.administration]
    if not change.confirm:
        rules = {**administration.rules.of(owner), peer: rule}
        await administration.approval.require_rules(owner, rules)
    words = f"days {rule.days}, messages {rule.messages}, bytes {rule.bytes}{_with(peer)}"
    await request.app[keys.audit].record(caller.name, "set retention", owner, words)
    await administration.rules.set(rule)
    return body.answer(_rule(rule))


async def drop_retention(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/retention: back to what is usual."""
    caller, owner = authenticate.require(request, Role.ADMIN), named_owner(request)
    change, peer = _change(request)
    administration = request.app[keys.administration]
    if not change.confirm:
        known = administration.rules.of(owner)
        rules = {other: rule for other, rule in known.items() if other != peer}
        await administration.approval.require_rules(owner, rules)
    await request.app[keys.audit].record(
        caller.name, "drop retention", owner, _with(peer).removeprefix(", ")
    )
    await administration.rules.remove(owner, peer)
    return web.Response(status=204)


async def holds(request: web.Request) -> web.Response:
    """GET {prefix}/v1/holds: every legal hold."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.parameters(request))
    found = request.app[keys.administration].holds.all()
    return body.answer({"holds": [_hold(each) for each in found]})


async def hold(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/holds/{subject}: let nothing of a user or a host be taken away."""
    caller, subject = authenticate.require(request, Role.ADMIN), subject_of(request)
    checked(NoParameters, body.parameters(request))
    asked = checked(HoldFields, await body.fields(request))
    await check_served(request, subject)
    ordered = Hold(subject=subject, reason=asked.reason, by=caller.name, at=now())
    await request.app[keys.audit].record(caller.name, "hold", subject, asked.reason)
    await request.app[keys.administration].holds.set(ordered)
    return body.answer(_hold(ordered))


async def release(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/holds/{subject}: release a hold."""
    caller, subject = authenticate.require(request, Role.ADMIN), subject_of(request)
    checked(NoParameters, body.parameters(request))
    await request.app[keys.audit].record(caller.name, "release", subject)
    await request.app[keys.administration].holds.release(subject)
    return web.Response(status=204)


def _change(request: web.Request) -> tuple[RetentionChange, str]:
    """Return how rules are changed, and the peer that is meant; "": all of the archive."""
    asked = checked(RetentionChange, body.parameters(request))
    return asked, "" if asked.peer is None else bare_jid(request, asked.peer)


def _peer(request: web.Request) -> str | None:
    asked = checked(RetentionParameters, body.parameters(request))
    return None if asked.peer is None else bare_jid(request, asked.peer)


def _with(peer: str) -> str:
    return f", with {peer}" if peer else ""


def _bounds(bounds: RetentionBounds) -> dict[str, object]:
    return {"days": bounds.days, "messages": bounds.messages, "bytes": bounds.bytes}


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
