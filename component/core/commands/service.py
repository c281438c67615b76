"""Commands about the program itself."""

from __future__ import annotations

from component.core.access.principals import Operator, Role
from component.core.commands.context import CommandContext
from component.core.commands.spec import Arguments, Command, Outcome, Value
from component.core.errors import Conflict


async def _statistics(context: CommandContext, _: Operator, __: Arguments) -> Outcome:
    administration = context.archives
    totals = await administration.totals()
    return Outcome(
        message=f"{totals.archives} archives with {totals.messages} messages.",
        values=(
            Value("archives", "Archives", totals.archives),
            Value("messages", "Messages", totals.messages),
            Value("bytes", "Bytes", totals.bytes),
            Value("hosts", "Virtual hosts", tuple(context.hosts)),
            Value("connected", "Connected to ejabberd", context.connection.is_up),
            Value("writable", "The last write went well", context.writer.is_healthy),
            Value("backlog", "Messages waiting to be written", context.writer.backlog),
            Value("holds", "Legal holds", len(administration.holds.all())),
            Value("purging", "A purge is under way", administration.janitor.current is not None),
            Value(
                "unconfirmed",
                "Bounds of retention want to be confirmed",
                administration.approval.waiting is not None,
            ),
        ),
    )


async def _reconnect(context: CommandContext, _: Operator, __: Arguments) -> Outcome:
    if not context.connection.is_up:
        raise Conflict("There is no connection to ejabberd: it is being tried for already.")
    context.connection.restart()
    return Outcome(message="The connection to ejabberd is closed and opened again.")


SERVICE_COMMANDS = (
    Command(
        name="statistics",
        title="Tell what there is of everything",
        node="muniment#statistics",
        role=Role.ADMIN,
        run=_statistics,
    ),
    Command(
        name="reconnect",
        title="Close the connection to ejabberd and open it again",
        help="Messages that pass while there is none are not archived: ejabberd keeps no copies.",
        node="muniment#reconnect",
        role=Role.ADMIN,
        run=_reconnect,
    ),
)
