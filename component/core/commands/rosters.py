"""Commands that read accounts and rosters; their nodes are those of XEP-0133."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from component.core.access.principals import Principal, Role
from component.core.accounts.protocol import AccountSummary
from component.core.commands.accounts import ACCOUNTS, ADMIN
from component.core.commands.context import CommandContext
from component.core.commands.paging import page_fields, page_outcome
from component.core.commands.spec import (
    Arguments,
    Command,
    Outcome,
    Table,
    Value,
)
from component.core.errors import BadRequest, NotAllowed
from component.core.rosters.contacts import is_asked
from component.core.wording import count_of
from component.core.xml import jids

PAGE_FIELDS = page_fields("JID", default=100)

_ROSTER = (
    ("accountjid", "Account"),
    ("jid", "JID"),
    ("name", "Name"),
    ("subscription", "Subscription"),
    ("asked", "Asked"),
    ("groups", "Groups"),
)


async def _registered(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    return await _list(context, arguments, "registereduserjids", lambda _: True)


async def _disabled(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    return await _list(context, arguments, "disableduserjids", _is_disabled)


def _is_disabled(account: AccountSummary) -> bool:
    if account.is_enabled is None:
        raise NotAllowed("The source of accounts does not report which accounts are disabled.")
    return not account.is_enabled


async def _list(
    context: CommandContext,
    arguments: Arguments,
    name: str,
    is_included: Callable[[AccountSummary], bool],
) -> Outcome:
    limit, matches = arguments.number("max_items"), list[str]()
    async with aclosing(_accounts(context, arguments)) as accounts:
        async for account in accounts:
            if is_included(account):
                matches.append(account.jid)
            if len(matches) > limit:
                break
    listed = tuple(matches[:limit])
    values = (Value(name, "Accounts", listed),)
    return page_outcome("account", listed, is_last=len(matches) == len(listed), values=values)


async def _accounts(
    context: CommandContext, arguments: Arguments
) -> AsyncGenerator[AccountSummary]:
    """Yield the accounts of one host or of all hosts, in the order of hosts."""
    after = context.jids.prepare(arguments.text("after")) if arguments.text("after") else ""
    hosts = list(arguments.all("host") or context.hosts)
    if after:
        if jids.domain(after) not in hosts:
            raise BadRequest("after: expected user@host, with a host that is listed")
        hosts = hosts[hosts.index(jids.domain(after)) :]
    for host in hosts:
        while page := await context.accounts.admin.list(host, after, context.account_page_size):
            for account in page:
                yield account
            after = page[-1].jid
        after = ""


async def _number(context: CommandContext, _: Principal, __: Arguments) -> Outcome:
    counts = [(host, await context.accounts.admin.count(host)) for host in context.hosts]
    total = sum(count for _, count in counts)
    return Outcome(
        message=f"{count_of(total, 'account')}.",
        values=(Value("registeredusersnum", "Accounts", total),),
        table=Table((("host", "Host"), ("accounts", "Accounts")), tuple(counts)),
    )


async def _roster(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    owners = arguments.all("accountjids")
    rosters = [await context.rosters.find(owner) for owner in owners]
    rows = tuple(
        (
            owner,
            contact.jid,
            contact.name,
            contact.subscription,
            is_asked(contact),
            contact.groups,
        )
        for owner, roster in zip(owners, rosters, strict=True)
        for contact in roster
    )
    return Outcome(
        message=f"{count_of(len(rows), 'contact')}.",
        values=(Value("accountjids", "Accounts", owners),),
        table=Table(_ROSTER, rows),
        roster=rosters[0] if len(rosters) == 1 else None,
    )


ROSTER_COMMANDS = (
    Command(
        name="users",
        title="List accounts",
        node=f"{ADMIN}#get-registered-users-list",
        role=Role.ADMIN,
        fields=PAGE_FIELDS,
        examples=("", "--host chat.example"),
        run=_registered,
    ),
    Command(
        name="disabled-users",
        title="List disabled accounts",
        node=f"{ADMIN}#get-disabled-users-list",
        role=Role.ADMIN,
        fields=PAGE_FIELDS,
        examples=("", "--host chat.example"),
        run=_disabled,
    ),
    Command(
        name="count-users",
        title="Count accounts",
        node=f"{ADMIN}#get-registered-users-num",
        role=Role.ADMIN,
        run=_number,
    ),
    Command(
        name="roster",
        title="List the contacts on the rosters of users",
        node=f"{ADMIN}#get-user-roster",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        examples=("alice@chat.example",),
        run=_roster,
    ),
)
