"""XEP-0133: Service Administration, version 1.2. Commands that make, change and remove accounts.

Nodes and fields are the ones that it registers, so that any client finds what it knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from component.core.access.principals import Operator, Role
from component.core.commands.dispatch import CommandService
from component.core.commands.spec import (
    Arguments,
    Command,
    Field,
    Kind,
    Outcome,
    Table,
)
from component.core.errors import BadRequest, Refused
from component.core.retention.account_removal import register_account, remove_account
from component.core.retention.erasure import PATIENCE
from component.core.wording import counted

ADMIN = "http://jabber.org/protocol/admin"

ACCOUNT = Field(name="accountjid", label="JID of the account", kind=Kind.ACCOUNT, is_required=True)
ACCOUNTS = Field(
    name="accountjids",
    label="JIDs of the accounts",
    kind=Kind.ACCOUNT,
    is_required=True,
    is_many=True,
)
PASSWORD = Field(name="password", label="Password", kind=Kind.PASSWORD, is_required=True)
AGAIN = Field(name="password-verify", label="The password again", kind=Kind.PASSWORD)


async def _add(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    jid, password = answers.one("accountjid"), answers.one("password")
    again = answers.one("password-verify")
    if again and again != password:
        raise BadRequest("password-verify: the passwords differ")
    await register_account(desk.accounts, desk.administration, jid, password)
    return Outcome(message=f"{jid} has an account now.")


async def _set_password(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    jid = answers.one("accountjid")
    await desk.accounts.admin.set_password(jid, answers.one("password"))
    return Outcome(message=f"{jid} has a new password.")


async def _remove(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    patience = PATIENCE * desk.patience / len(answers.all("accountjids"))
    done = await _each(
        answers,
        lambda jid: remove_account(desk.accounts, desk.administration, jid, patience=patience),
    )
    return Outcome(message=f"Removed: {done}.")


async def _remove_preview(desk: CommandService, answers: Arguments) -> Outcome:
    owners = answers.all("accountjids")
    found = [await desk.administration.usage_of(owner) for owner in owners]
    total = sum(usage.messages for usage in found)
    return Outcome(
        message=(
            f"This removes {counted(len(owners), 'account')}, and {counted(total, 'message')} in "
            f"{'its archive' if len(owners) == 1 else 'their archives'}."
        ),
        table=Table(
            (("accountjid", "Account"), ("messages", "Messages")),
            tuple((usage.owner, usage.messages) for usage in found),
        ),
    )


async def _disable(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    done = await _each(answers, lambda jid: desk.accounts.admin.set_enabled(jid, False))
    return Outcome(message=f"Disabled: {done}.")


async def _enable(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    done = await _each(answers, lambda jid: desk.accounts.admin.set_enabled(jid, True))
    return Outcome(message=f"Enabled: {done}.")


async def _each(answers: Arguments, do: Callable[[str], Awaitable[None]]) -> str:
    """Do something with one account after the other, and name them. Raises Refused, which says
    which one it is about, and what is done already."""
    done: list[str] = []
    for jid in answers.all("accountjids"):
        try:
            await do(jid)
        except Refused as refused:
            before = f" Done before: {', '.join(done)}." if done else ""
            raise type(refused)(f"{jid}: {refused.message}{before}") from refused
        done.append(jid)
    return ", ".join(done)


ON_ACCOUNTS = (
    Command(
        name="add-user",
        title="Make an account",
        help="It is made where accounts.source says that accounts live.",
        node=f"{ADMIN}#add-user",
        role=Role.ADMIN,
        fields=(ACCOUNT, PASSWORD, AGAIN),
        run=_add,
    ),
    Command(
        name="set-password",
        title="Give an account another password",
        node=f"{ADMIN}#change-user-password",
        role=Role.ADMIN,
        fields=(ACCOUNT, PASSWORD),
        run=_set_password,
    ),
    Command(
        name="disable-user",
        title="Let nobody log in to accounts, which stay otherwise",
        node=f"{ADMIN}#disable-user",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        run=_disable,
    ),
    Command(
        name="enable-user",
        title="Let accounts be logged in to again",
        node=f"{ADMIN}#reenable-user",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        run=_enable,
    ),
    Command(
        name="delete-user",
        title="Remove accounts with their archives",
        help="With their archives, unless there is a legal hold on one: then it is refused.",
        node=f"{ADMIN}#delete-user",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        run=_remove,
        preview=_remove_preview,
    ),
)
