"""Accounts, for admins and for the server: {prefix}/v1/accounts."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field, StrictBool

from component.core.access.principals import Role
from component.core.accounts.protocol import AccountSummary
from component.core.errors import BadRequest, ItemNotFound
from component.core.retention.account_removal import register_account, remove_account
from component.core.retention.erasure import TIMEOUT_SHARE
from component.core.xml.times import format_if_known
from component.web import keys
from component.web.admin.answers import AccountsPage, CreatedAccount, EnabledAccount
from component.web.archive.models import (
    ADDRESS_MAX,
    Address,
    Limit,
    NoParameters,
    Parameters,
)
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import account_of, check_host, routes_at

#: By default aiohttp takes no braces in a variable part, but a JID may have some.
ACCOUNT = "/accounts/{jid:[^/]+}"


class AccountsParameters(Parameters):
    """GET {prefix}/v1/accounts."""

    host: Address | None = None
    after: Annotated[str, Field(max_length=ADDRESS_MAX)] = ""
    limit: Limit | None = None


class PasswordFields(Parameters):
    """PUT {prefix}/v1/accounts/{jid}."""

    password: Annotated[str, Field(strict=True, repr=False)]


class AccountFields(Parameters):
    """PATCH {prefix}/v1/accounts/{jid}."""

    enabled: StrictBool


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/accounts", listed),
        *routes_at(web.put, f"{prefix}{ACCOUNT}", put),
        *routes_at(web.patch, f"{prefix}{ACCOUNT}", enable),
        *routes_at(web.delete, f"{prefix}{ACCOUNT}", remove),
    ]


@operation("admin.accounts.list", query=AccountsParameters, answers={200: AccountsPage})
async def listed(request: web.Request) -> web.Response:
    """GET {prefix}/v1/accounts: the accounts of a virtual host, in the order of their JIDs."""
    caller = authenticate.require(request, Role.ADMIN)
    parameters = checked(AccountsParameters, body.parameters(request))
    host = _host(request, parameters.host)
    limit = request.app[keys.pager].size(parameters.limit)
    await request.app[keys.audit].record(caller.name, "users", host)
    accounts = request.app[keys.accounts]
    summaries = await accounts.admin.list(host, parameters.after, limit + 1)
    return body.page(
        request,
        {
            "host": host,
            "count": await accounts.admin.count(host),
            "accounts": [_fields(summary) for summary in summaries[:limit]],
        },
        cursor="after",
        next=summaries[limit - 1].jid if len(summaries) > limit else None,
    )


@operation(
    "admin.accounts.put",
    body=PasswordFields,
    headers={
        "If-Match": "`*`: only set the password of an account that exists.",
        "If-None-Match": "`*`: only create an account.",
    },
    answers={201: CreatedAccount, 204: None},
)
async def put(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/accounts/{jid}: create an account, or set the password of an existing one.

    With `If-None-Match: *` it only creates an account, with `If-Match: *` it only sets a password
    (RFC 9110 section 13.1).
    """
    caller, jid = authenticate.require(request, Role.ADMIN), _account(request)
    checked(NoParameters, body.parameters(request))
    fields = checked(PasswordFields, await body.fields(request))
    may_exist = not _has_condition(request, "If-None-Match")
    may_be_new = not _has_condition(request, "If-Match")
    if not may_exist and not may_be_new:
        raise BadRequest("If-Match and If-None-Match do not go together.")
    accounts, audit = request.app[keys.accounts], request.app[keys.audit]
    if may_exist:
        await audit.record(caller.name, "set-password", jid)
        try:
            await accounts.admin.set_password(jid, fields.password)
        except ItemNotFound:
            if not may_be_new:
                raise
        else:
            return web.Response(status=204)
    await audit.record(caller.name, "add-user", jid)
    await register_account(accounts, request.app[keys.administration], jid, fields.password)
    return body.json_response({"jid": jid}, status=201)


@operation("admin.accounts.enable", body=AccountFields, answers={200: EnabledAccount})
async def enable(request: web.Request) -> web.Response:
    """PATCH {prefix}/v1/accounts/{jid}: disable or enable an account."""
    caller, jid = authenticate.require(request, Role.ADMIN), _account(request)
    checked(NoParameters, body.parameters(request))
    fields = checked(AccountFields, await body.fields(request))
    action = "enable-user" if fields.enabled else "disable-user"
    await request.app[keys.audit].record(caller.name, action, jid)
    await request.app[keys.accounts].admin.set_enabled(jid, fields.enabled)
    return body.json_response({"jid": jid, "enabled": fields.enabled})


@operation("admin.accounts.remove", answers={204: None})
async def remove(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/accounts/{jid}: remove an account with its archive."""
    caller, jid = authenticate.require(request, Role.ADMIN), _account(request)
    checked(NoParameters, body.parameters(request))
    await request.app[keys.audit].record(caller.name, "delete-user", jid)
    await remove_account(
        request.app[keys.accounts],
        request.app[keys.administration],
        jid,
        wait_seconds=TIMEOUT_SHARE * request.app[keys.limits].request_timeout_seconds,
    )
    return web.Response(status=204)


def _account(request: web.Request) -> str:
    """Return the account in the path. Raises ItemNotFound, BadRequest."""
    jid = account_of(request)
    # ejabberd may have virtual hosts that are not in xmpp.hosts, with admins of their own.
    if not request.app[keys.hosts].is_user(jid):
        raise BadRequest("An account is the bare JID of a user on one of the virtual hosts.")
    return jid


def _host(request: web.Request, named: str | None) -> str:
    return check_host(request, None if named is None else request.app[keys.jids].prepare(named))


def _has_condition(request: web.Request, header: str) -> bool:
    """Return whether the header is there. Raises BadRequest if its value is not `*`."""
    value = request.headers.get(header)
    if value is not None and value.strip() != "*":
        raise BadRequest(f"{header}: write *, or leave it out")
    return value is not None


def _fields(summary: AccountSummary) -> dict[str, object]:
    created = format_if_known(summary.created)
    return {"jid": summary.jid, "enabled": summary.is_enabled, "created": created}
