"""Commands that tell of accounts and rosters, most of them of XEP-0133 as well."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from component.core.access.principals import Operator, Role
from component.core.accounts.protocol import AccountSummary
from component.core.commands.accounts import ACCOUNTS, ADMIN
from component.core.commands.dispatch import CommandService
from component.core.commands.paging import listed, part_of
from component.core.commands.spec import (
    Arguments,
    Command,
    Outcome,
    Table,
    Value,
)
from component.core.errors import BadRequest, NotAllowed
from component.core.rosters.contacts import is_asked
from component.core.wording import counted
from component.core.xml import jids

#: Accounts that are looked up at a time.
PAGE = 500

LISTED = part_of("JID", usual=100)

_ROSTER = (
    ("accountjid", "Account"),
    ("jid", "JID"),
    ("name", "Name"),
    ("subscription", "Subscription"),
    ("asked", "Asked"),
    ("groups", "Groups"),
)


async def _registered(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    return await _list(desk, answers, "registereduserjids", lambda _: True)


async def _disabled(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    return await _list(desk, answers, "disableduserjids", _is_disabled)


def _is_disabled(account: AccountSummary) -> bool:
    if account.is_enabled is None:
        raise NotAllowed("Where these accounts live it is not told which of them are disabled.")
    return not account.is_enabled


async def _list(
    desk: CommandService, answers: Arguments, name: str, is_meant: Callable[[AccountSummary], bool]
) -> Outcome:
    limit, found = answers.number("max_items"), []
    async with aclosing(_accounts(desk, answers)) as accounts:
        async for one in accounts:
            if is_meant(one):
                found.append(one.jid)
            if len(found) > limit:
                break
    shown = tuple(found[:limit])
    values = (Value(name, "Accounts", shown),)
    return listed("account", shown, is_all=len(found) == len(shown), values=values)


async def _accounts(desk: CommandService, answers: Arguments) -> AsyncGenerator[AccountSummary]:
    """Yield accounts of one host or of all, one host after the other."""
    after = desk.jids.prepare(answers.one("after")) if answers.one("after") else ""
    hosts = list(answers.all("host") or desk.hosts)
    if after:
        if jids.domain(after) not in hosts:
            raise BadRequest("after: expected user@host of a host that is listed")
        hosts = hosts[hosts.index(jids.domain(after)) :]
    for host in hosts:
        while page := await desk.accounts.admin.list(host, after, PAGE):
            for one in page:
                yield one
            after = page[-1].jid
        after = ""


async def _number(desk: CommandService, _: Operator, __: Arguments) -> Outcome:
    counts = [(host, await desk.accounts.admin.count(host)) for host in desk.hosts]
    total = sum(count for _, count in counts)
    return Outcome(
        message=f"{counted(total, 'account')}.",
        values=(Value("registeredusersnum", "Accounts", total),),
        table=Table((("host", "Host"), ("accounts", "Accounts")), tuple(counts)),
    )


async def _roster(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    owners = answers.all("accountjids")
    rosters = [await desk.rosters.find(owner) for owner in owners]
    rows = tuple(
        (owner, one.jid, one.name, one.subscription, is_asked(one), one.groups)
        for owner, roster in zip(owners, rosters, strict=True)
        for one in roster
    )
    return Outcome(
        message=f"{counted(len(rows), 'contact')}.",
        values=(Value("accountjids", "Accounts", owners),),
        table=Table(_ROSTER, rows),
        roster=rosters[0] if len(rosters) == 1 else None,
    )


OF_ACCOUNTS = (
    Command(
        name="users",
        title="List accounts",
        node=f"{ADMIN}#get-registered-users-list",
        role=Role.ADMIN,
        fields=LISTED,
        run=_registered,
    ),
    Command(
        name="disabled-users",
        title="List the accounts that nobody can log in to",
        node=f"{ADMIN}#get-disabled-users-list",
        role=Role.ADMIN,
        fields=LISTED,
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
        title="Show who is on the rosters of users",
        node=f"{ADMIN}#get-user-roster",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        run=_roster,
    ),
)
