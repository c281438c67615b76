"""Accounts of users: a list, one account, and forms that create, change and delete accounts.

Every form runs the command of the same meaning, which writes it to the audit log without the
password. No page and no address has a password.
"""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from component.core.access.principals import Role
from component.core.accounts.protocol import AccountSummary
from component.core.errors import BadRequest, Overloaded, Refused
from component.core.xml.jids import domain
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import Address, NoParameters, PageParameters
from component.web.operators.rendering import render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import account_of, bare_jid, check_host, routes_at

#: One account. By default aiohttp takes no braces in a variable part, but a JID may have some.
ACCOUNT = "/accounts/{jid:[^/]+}"

#: The sentence about what a form has done, by the value of the parameter `done`.
DONE = {
    "created": "The account is created: its user can sign in now.",
    "password": "The account has a new password.",
    "disabled": "The account is disabled: nobody can sign in to it.",
    "enabled": "The account is enabled: its user can sign in again.",
    "deleted": "The account is deleted, with its archive.",
}

Password = Annotated[str, Field(default="", repr=False)]


class ListParameters(PageParameters):
    """GET {prefix}/accounts."""

    host: Address | None = None
    part: Address = ""  #: of the names of accounts
    after: Address = ""  #: the last account of the page before
    done: str = ""


class NewAccountFields(PageParameters):
    """POST {prefix}/accounts."""

    name: Address = ""  #: the part before the @, or the whole JID
    host: Address | None = None
    password: Password
    again: Password


class AccountParameters(PageParameters):
    """GET {prefix}/accounts/{jid}."""

    done: str = ""


class PasswordFields(PageParameters):
    """POST {prefix}/accounts/{jid}/password."""

    password: Password
    again: Password


class DisablingFields(PageParameters):
    """POST {prefix}/accounts/{jid}/disable."""

    confirm: bool = False


class DeletionFields(PageParameters):
    """POST {prefix}/accounts/{jid}/delete."""

    jid: Address = ""  #: as the operator has typed it


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    account = f"{prefix}{ACCOUNT}"
    return [
        *routes_at(web.get, f"{prefix}/accounts", list_accounts),
        *routes_at(web.post, f"{prefix}/accounts", create),
        *routes_at(web.get, account, show_account),
        *routes_at(web.post, f"{account}/password", set_password),
        *routes_at(web.post, f"{account}/disable", disable),
        *routes_at(web.post, f"{account}/enable", enable),
        *routes_at(web.get, f"{account}/delete", ask_to_delete),
        *routes_at(web.post, f"{account}/delete", delete),
    ]


async def list_accounts(request: web.Request) -> web.Response:
    """GET {prefix}/accounts: the accounts of a virtual host, and a form to create one."""
    authenticate.require(request, Role.ADMIN)
    return await _list(request, checked(ListParameters, body.query(request)))


async def create(request: web.Request) -> web.Response:
    """POST {prefix}/accounts: create an account."""
    authenticate.require(request, Role.ADMIN)
    fields = checked(NewAccountFields, await body.fields(request))
    try:
        jid = _new_jid(request, fields)
        _check_passwords(fields.password, fields.again)
        await _run(request, "add-user", accountjid=jid, password=fields.password)
    except Refused as refused:
        return await _list(request, ListParameters(host=fields.host), refused, fields.name)
    return see("accounts", jid, done="created")


async def show_account(request: web.Request) -> web.Response:
    """GET {prefix}/accounts/{jid}: the state of an account, and forms to change it."""
    principal, jid = authenticate.require(request, Role.ADMIN), _jid(request)
    parameters = checked(AccountParameters, body.query(request))
    await request.app[keys.audit].record(principal.name, "users", jid)
    return await _account(request, jid, done=parameters.done)


async def set_password(request: web.Request) -> web.Response:
    """POST {prefix}/accounts/{jid}/password: set the password of an account."""
    authenticate.require(request, Role.ADMIN)
    jid, fields = _jid(request), checked(PasswordFields, await body.fields(request))
    try:
        _check_passwords(fields.password, fields.again)
        await _run(request, "set-password", accountjid=jid, password=fields.password)
    except Refused as refused:
        return await _account(request, jid, refused)
    return see("accounts", jid, done="password")


async def disable(request: web.Request) -> web.Response:
    """POST {prefix}/accounts/{jid}/disable: let nobody sign in to an account."""
    authenticate.require(request, Role.ADMIN)
    jid, fields = _jid(request), checked(DisablingFields, await body.fields(request))
    try:
        if not fields.confirm:
            raise BadRequest(f"Confirm that {jid} may not sign in any more: tick the box.")
        await _run(request, "disable-user", accountjids=jid)
    except Refused as refused:
        return await _account(request, jid, refused)
    return see("accounts", jid, done="disabled")


async def enable(request: web.Request) -> web.Response:
    """POST {prefix}/accounts/{jid}/enable: let the user sign in again."""
    authenticate.require(request, Role.ADMIN)
    jid = _jid(request)
    checked(NoParameters, await body.fields(request))
    try:
        await _run(request, "enable-user", accountjids=jid)
    except Refused as refused:
        return await _account(request, jid, refused)
    return see("accounts", jid, done="enabled")


async def ask_to_delete(request: web.Request) -> web.Response:
    """GET {prefix}/accounts/{jid}/delete: what a deletion of the account would delete."""
    principal, jid = authenticate.require(request, Role.ADMIN), _jid(request)
    checked(NoParameters, body.query(request))
    await request.app[keys.accounts].admin.get(jid)
    await request.app[keys.audit].record(principal.name, "preview", jid, "delete-user")
    return await _deletion(request, jid)


async def delete(request: web.Request) -> web.Response:
    """POST {prefix}/accounts/{jid}/delete: delete the account with its archive."""
    authenticate.require(request, Role.ADMIN)
    jid, fields = _jid(request), checked(DeletionFields, await body.fields(request))
    try:
        if fields.jid.strip() != jid:
            raise BadRequest(f"Nothing is deleted: to confirm the deletion, type {jid}.")
        await _run(request, "delete-user", accountjids=jid)
    except Refused as refused:
        return await _deletion(request, jid, refused)
    return see("accounts", host=domain(jid), done="deleted")


async def _run(request: web.Request, command: str, **values: str) -> None:
    """Run a command, which is written to the audit log. Raises Refused."""
    commands = request.app[keys.commands]
    submitted = {name: [value] for name, value in values.items()}
    await commands.run(authenticate.principal(request), commands.find(command), submitted)


def _jid(request: web.Request) -> str:
    """Return the account in the path. Raises ItemNotFound if it is on no virtual host."""
    jid = account_of(request)
    check_host(request, domain(jid))
    return jid


def _new_jid(request: web.Request, fields: NewAccountFields) -> str:
    """Return the JID of a new account. Raises BadRequest, ItemNotFound."""
    name = fields.name.strip()
    if not name:
        raise BadRequest("Enter the name of the new account, such as alice.")
    host = check_host(request, fields.host)
    jid = bare_jid(request, name if "@" in name else f"{name}@{host}")
    check_host(request, domain(jid))
    return jid


def _check_passwords(password: str, again: str) -> None:
    """Raise BadRequest unless both fields have the same password."""
    if not password:
        raise BadRequest("Enter a password.")
    if password != again:
        raise BadRequest("The two passwords differ: type the same password twice.")


async def _list(
    request: web.Request,
    parameters: ListParameters,
    refused: Refused | None = None,
    entered: str = "",
) -> web.Response:
    host, hosts = check_host(request, parameters.host), request.app[keys.hosts]
    source, limit = request.app[keys.accounts], request.app[keys.pager].size(None)
    accounts: tuple[AccountSummary, ...] = ()
    count = None
    if source.administered is not None:
        await request.app[keys.audit].record(authenticate.principal(request).name, "users", host)
        # JIDs are in lower case. A whole JID is a name too, up to its @.
        part = parameters.part.strip().lower()
        part = part.removesuffix(host) if part.endswith(f"@{host}") else part
        try:
            accounts = await source.administered.list(host, parameters.after, limit + 1, part)
            count = await source.administered.count(host)
        except Overloaded as overloaded:
            refused = refused or overloaded
    return render(
        request,
        "accounts/list.html",
        refused=refused,
        done=DONE.get(parameters.done),
        elsewhere=source.refusal if source.administered is None else "",
        hosts=tuple(hosts),
        host=host,
        part=parameters.part,
        accounts=accounts[:limit],
        has_states=any(account.is_enabled is not None for account in accounts),
        count=count,
        entered=entered,
        is_first=not parameters.after,
        next=accounts[limit - 1].jid if len(accounts) > limit else None,
    )


async def _account(
    request: web.Request, jid: str, refused: Refused | None = None, done: str = ""
) -> web.Response:
    account = await request.app[keys.accounts].admin.get(jid)
    return await _page(
        request, "accounts/account.html", jid, refused, account=account, done=DONE.get(done)
    )


async def _deletion(
    request: web.Request, jid: str, refused: Refused | None = None
) -> web.Response:
    return await _page(request, "accounts/delete.html", jid, refused)


async def _page(
    request: web.Request, template: str, jid: str, refused: Refused | None, **values: Any
) -> web.Response:
    """Return a page about an account and its archive."""
    archives = request.app[keys.administration]
    return render(
        request,
        template,
        refused=refused,
        jid=jid,
        usage=await archives.usage_of(jid),
        is_held=archives.holds.is_held(jid),
        **values,
    )
