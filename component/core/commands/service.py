"""Commands about the program itself."""

from __future__ import annotations

from component.core.access.principals import Principal, Role
from component.core.commands.context import CommandContext
from component.core.commands.spec import Arguments, Command, Outcome, Value
from component.core.errors import Conflict
from component.core.wording import count_of


async def _statistics(context: CommandContext, _: Principal, __: Arguments) -> Outcome:
    archives = context.archives
    totals = await archives.totals()
    return Outcome(
        message=f"{count_of(totals.archives, 'archive')} with"
        f" {count_of(totals.messages, 'message')}.",
        values=(
            Value("archives", "Archives", totals.archives),
            Value("messages", "Messages", totals.messages),
            Value("bytes", "Bytes", totals.bytes),
            Value("hosts", "Virtual hosts", tuple(context.hosts)),
            Value("connected", "Connected to ejabberd", context.connection.is_up),
            Value("writable", "Last write succeeded", context.writer.is_healthy),
            Value("backlog", "Messages waiting to be written", context.writer.backlog),
            Value("holds", "Legal holds", len(archives.holds.all())),
            Value("purging", "Purge running", archives.janitor.current is not None),
            Value(
                "unconfirmed",
                "Retention limits have to be confirmed",
                archives.approval.unconfirmed is not None,
            ),
        ),
    )


async def _reconnect(context: CommandContext, _: Principal, __: Arguments) -> Outcome:
    if not context.connection.is_up:
        raise Conflict("There is no connection to ejabberd: Muniment tries to connect already.")
    context.connection.restart()
    return Outcome(message="The connection to ejabberd will be closed and opened again.")


SERVICE_COMMANDS = (
    Command(
        name="statistics",
        title="Show the number of archives and messages, and the state of the program",
        node="muniment#statistics",
        role=Role.ADMIN,
        run=_statistics,
    ),
    Command(
        name="reconnect",
        title="Close the connection to ejabberd and open it again",
        help="Messages that ejabberd delivers meanwhile are not archived: it keeps no copies.",
        node="muniment#reconnect",
        role=Role.ADMIN,
        run=_reconnect,
    ),
)
