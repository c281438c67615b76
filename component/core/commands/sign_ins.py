"""Commands about the sign-ins of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from component.core.access.principals import Principal, Role
from component.core.commands.accounts import ACCOUNT
from component.core.commands.context import CommandContext
from component.core.commands.spec import Arguments, Command, Field, Outcome, Table, Value
from component.core.errors import NotAllowed
from component.core.wording import count_of
from component.core.xml.times import format_time

if TYPE_CHECKING:
    from component.core.tokens.sign_ins import SignIns

SIGN_IN = Field(name="sign-in", label="ID of one sign-in (default: all of the account)")


def _sign_ins_of(context: CommandContext) -> SignIns:
    """Return the sign-ins. Raises NotAllowed if users cannot sign in."""
    if context.sign_ins is None:
        raise NotAllowed("Users cannot sign in: tokens.key_file is not set.")
    return context.sign_ins


async def _list(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    jid = arguments.text("accountjid")
    rows = await _sign_ins_of(context).list(jid)
    return Outcome(
        message=f"{jid} has {count_of(len(rows), 'sign-in')}.",
        table=Table(
            (
                ("sign-in", "ID"),
                ("label", "Label"),
                ("created", "Signed in"),
                ("refreshed", "Last refresh"),
                ("expires", "Expires"),
            ),
            tuple(
                (
                    row.id,
                    row.label,
                    format_time(row.created_at),
                    format_time(row.refreshed_at),
                    format_time(row.expires_at),
                )
                for row in rows
            ),
        ),
    )


async def _revoke(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    jid, id = arguments.text("accountjid"), arguments.text("sign-in")
    sign_ins = _sign_ins_of(context)
    revoked = 1
    if id:
        await sign_ins.revoke(jid, id)
    else:
        revoked = await sign_ins.revoke_all(jid)
    return Outcome(
        message=f"Revoked {count_of(revoked, 'sign-in')} of {jid}.",
        values=(Value("revoked", "Revoked sign-ins", revoked),),
    )


SIGN_IN_COMMANDS = (
    Command(
        name="sign-ins",
        title="List the sign-ins of an account",
        node="muniment#sign-ins",
        role=Role.ADMIN,
        fields=(ACCOUNT,),
        examples=("bob@chat.example",),
        run=_list,
    ),
    Command(
        name="sign-out",
        title="Revoke sign-ins of an account",
        help="Access tokens that were issued before are valid for ejabberd until they expire.",
        node="muniment#sign-out",
        role=Role.ADMIN,
        fields=(ACCOUNT, SIGN_IN),
        examples=("bob@chat.example",),
        run=_revoke,
    ),
)
