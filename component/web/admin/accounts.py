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
from component.web.archive.models import (
    ADDRESS_MAX,
    Address,
    Limit,
    NoParameters,
    Parameters,
)
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.paths import account_of, at, check_host

#: The JID may have braces, which aiohttp takes for none of a name.
ACCOUNT = "/v1/accounts/{jid:[^/]+}"


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
        *at(web.get, f"{prefix}/v1/accounts", listed),
        *at(web.put, f"{prefix}{ACCOUNT}", put),
        *at(web.patch, f"{prefix}{ACCOUNT}", enable),
        *at(web.delete, f"{prefix}{ACCOUNT}", remove),
    ]


async def listed(request: web.Request) -> web.Response:
    """GET {prefix}/v1/accounts: the accounts of a virtual host, by their JIDs."""
    caller = authenticate.require(request, Role.ADMIN)
    asked = checked(AccountsParameters, body.parameters(request))
    host = _host(request, asked.host)
    limit = request.app[keys.pages].size(asked.limit)
    await request.app[keys.audit].record(caller.name, "users", host)
    accounts = request.app[keys.accounts]
    found = await accounts.listed(host, asked.after, limit + 1)
    return body.page(
        request,
        {
            "host": host,
            "count": await accounts.count(host),
            "accounts": [_fields(each) for each in found[:limit]],
        },
        place="after",
        next=found[limit - 1].jid if len(found) > limit else None,
    )


async def put(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/accounts/{jid}: make an account, or give it another password.

    `If-None-Match: *` does only the one, `If-Match: *` only the other (RFC 9110 section 13.1).
    """
    caller, jid = authenticate.require(request, Role.ADMIN), _account(request)
    checked(NoParameters, body.parameters(request))
    asked = checked(PasswordFields, await body.fields(request))
    may_be, may_be_new = not _says(request, "If-None-Match"), not _says(request, "If-Match")
    if not may_be and not may_be_new:
        raise BadRequest("If-Match and If-None-Match do not go together.")
    accounts, audit = request.app[keys.accounts], request.app[keys.audit]
    if may_be:
        await audit.record(caller.name, "set-password", jid)
        try:
            await accounts.set_password(jid, asked.password)
        except ItemNotFound:
            if not may_be_new:
                raise
        else:
            return web.Response(status=204)
    await audit.record(caller.name, "add-user", jid)
    await register_account(accounts, request.app[keys.administration], jid, asked.password)
    return body.answer({"jid": jid}, status=201)


async def enable(request: web.Request) -> web.Response:
    """PATCH {prefix}/v1/accounts/{jid}: let nobody log in to it, or let its owner in again."""
    caller, jid = authenticate.require(request, Role.ADMIN), _account(request)
    checked(NoParameters, body.parameters(request))
    asked = checked(AccountFields, await body.fields(request))
    action = "enable-user" if asked.enabled else "disable-user"
    await request.app[keys.audit].record(caller.name, action, jid)
    await request.app[keys.accounts].set_enabled(jid, asked.enabled)
    return body.answer({"jid": jid, "enabled": asked.enabled})


async def remove(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/accounts/{jid}: remove an account with its archive."""
    caller, jid = authenticate.require(request, Role.ADMIN), _account(request)
    checked(NoParameters, body.parameters(request))
    await request.app[keys.audit].record(caller.name, "delete-user", jid)
    await remove_account(
        request.app[keys.accounts],
        request.app[keys.administration],
        jid,
        wait_seconds=TIMEOUT_SHARE * request.app[keys.settings].request_timeout_seconds,
    )
    return web.Response(status=204)


def _account(request: web.Request) -> str:
    """Return whose account a path names. Raises ItemNotFound, BadRequest."""
    jid = account_of(request)
    # ejabberd may have hosts that are none of ours, with admins of their own.
    if not request.app[keys.hosts].is_user(jid):
        raise BadRequest("An account is the bare JID of a user on one of the virtual hosts.")
    return jid


def _host(request: web.Request, named: str | None) -> str:
    return check_host(request, None if named is None else request.app[keys.jids].prepare(named))


def _says(request: web.Request, header: str) -> bool:
    """Whether a condition is on any account at all, the only one that there is."""
    value = request.headers.get(header)
    if value is not None and value.strip() != "*":
        raise BadRequest(f"{header}: write *, or leave it out")
    return value is not None


def _fields(listing: AccountSummary) -> dict[str, object]:
    created = format_if_known(listing.created)
    return {"jid": listing.jid, "enabled": listing.is_enabled, "created": created}
