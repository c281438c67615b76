"""XEP-0133: Service Administration, version 1.2. Commands that change accounts.

Nodes and fields are those of the XEP, so that clients recognise them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from component.core.access.principals import Principal, Role
from component.core.commands.context import CommandContext
from component.core.commands.spec import (
    Arguments,
    Command,
    Field,
    FieldKind,
    Outcome,
    Table,
)
from component.core.errors import BadRequest, Refused
from component.core.retention.account_removal import register_account, remove_account
from component.core.retention.erasure import TIMEOUT_SHARE
from component.core.wording import count_of

ADMIN = "http://jabber.org/protocol/admin"

ACCOUNT = Field(
    name="accountjid", label="JID of the account", kind=FieldKind.ACCOUNT, is_required=True
)
ACCOUNTS = Field(
    name="accountjids",
    label="JIDs of the accounts",
    kind=FieldKind.ACCOUNT,
    is_required=True,
    is_multiple=True,
)
PASSWORD = Field(name="password", label="Password", kind=FieldKind.PASSWORD, is_required=True)
PASSWORD_AGAIN = Field(name="password-verify", label="Password again", kind=FieldKind.PASSWORD)


async def _add(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    jid, password = arguments.text("accountjid"), arguments.text("password")
    repeated = arguments.text("password-verify")
    if repeated and repeated != password:
        raise BadRequest("password-verify: the passwords differ")
    await register_account(context.accounts, context.archives, jid, password)
    return Outcome(message=f"{jid} has an account now.")


async def _set_password(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    jid = arguments.text("accountjid")
    await context.accounts.admin.set_password(jid, arguments.text("password"))
    return Outcome(message=f"{jid} has a new password.")


async def _remove(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    wait_seconds = TIMEOUT_SHARE * context.timeout / len(arguments.all("accountjids"))
    done = await _for_each(
        arguments,
        lambda jid: remove_account(
            context.accounts, context.archives, jid, wait_seconds=wait_seconds
        ),
    )
    return Outcome(message=f"Removed: {done}.")


async def _remove_preview(context: CommandContext, arguments: Arguments) -> Outcome:
    owners = arguments.all("accountjids")
    usages = [await context.archives.usage_of(owner) for owner in owners]
    total = sum(usage.messages for usage in usages)
    return Outcome(
        message=f"This removes {count_of(len(owners), 'account')} and erases"
        f" {count_of(total, 'message')}.",
        table=Table(
            (("accountjid", "Account"), ("messages", "Messages")),
            tuple((usage.owner, usage.messages) for usage in usages),
        ),
    )


async def _disable(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    done = await _for_each(arguments, lambda jid: context.accounts.admin.set_enabled(jid, False))
    return Outcome(message=f"Disabled: {done}.")


async def _enable(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    done = await _for_each(arguments, lambda jid: context.accounts.admin.set_enabled(jid, True))
    return Outcome(message=f"Enabled: {done}.")


async def _for_each(arguments: Arguments, apply: Callable[[str], Awaitable[None]]) -> str:
    """Apply a function to each account in turn, and return their JIDs.

    Raises Refused with a message that names the account, and those that are done already.
    """
    done: list[str] = []
    for jid in arguments.all("accountjids"):
        try:
            await apply(jid)
        except Refused as refused:
            before = f" Done before: {', '.join(done)}." if done else ""
            raise type(refused)(f"{jid}: {refused.message}{before}") from refused
        done.append(jid)
    return ", ".join(done)


ACCOUNT_COMMANDS = (
    Command(
        name="add-user",
        title="Create an account",
        help="The account is created in the source that accounts.source names.",
        node=f"{ADMIN}#add-user",
        role=Role.ADMIN,
        fields=(ACCOUNT, PASSWORD, PASSWORD_AGAIN),
        examples=("bob@chat.example", "bob@chat.example < password"),
        run=_add,
    ),
    Command(
        name="set-password",
        title="Change the password of an account",
        node=f"{ADMIN}#change-user-password",
        role=Role.ADMIN,
        fields=(ACCOUNT, PASSWORD),
        examples=("bob@chat.example",),
        run=_set_password,
    ),
    Command(
        name="disable-user",
        title="Disable accounts: nobody can log in, all else stays",
        node=f"{ADMIN}#disable-user",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        examples=("bob@chat.example",),
        run=_disable,
    ),
    Command(
        name="enable-user",
        title="Enable disabled accounts",
        node=f"{ADMIN}#reenable-user",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        examples=("bob@chat.example",),
        run=_enable,
    ),
    Command(
        name="delete-user",
        title="Remove accounts with their archives",
        help="It is refused for an account whose archive is under a legal hold.",
        node=f"{ADMIN}#delete-user",
        role=Role.ADMIN,
        fields=(ACCOUNTS,),
        examples=("bob@chat.example", "bob@chat.example carol@chat.example --yes"),
        run=_remove,
        preview=_remove_preview,
    ),
)
