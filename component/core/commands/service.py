"""Commands about the program itself."""

from __future__ import annotations

from component.core.access.principals import Operator, Role
from component.core.commands.dispatch import CommandService
from component.core.commands.spec import Arguments, Command, Outcome, Value
from component.core.errors import Conflict
from component.core.wording import counted


async def _statistics(desk: CommandService, _: Operator, __: Arguments) -> Outcome:
    administration = desk.administration
    totals = await administration.totals()
    return Outcome(
        message=(
            f"{counted(totals.archives, 'archive')} with {counted(totals.messages, 'message')}."
        ),
        values=(
            Value("archives", "Archives", totals.archives),
            Value("messages", "Messages", totals.messages),
            Value("bytes", "Bytes", totals.bytes),
            Value("hosts", "Virtual hosts", tuple(desk.hosts)),
            Value("connected", "Connected to ejabberd", desk.link.is_up),
            Value("writable", "The last write went well", desk.writer.is_healthy),
            Value("backlog", "Messages waiting to be written", desk.writer.backlog),
            Value("holds", "Legal holds", len(administration.holds.all())),
            Value("purging", "A purge is under way", administration.janitor.current is not None),
            Value(
                "unconfirmed",
                "Bounds of retention want to be confirmed",
                administration.approval.waiting is not None,
            ),
        ),
    )


async def _reconnect(desk: CommandService, _: Operator, __: Arguments) -> Outcome:
    if not desk.link.is_up:
        raise Conflict("There is no connection to ejabberd: it is being tried for already.")
    desk.reconnect()
    return Outcome(message="The connection to ejabberd is closed and opened again.")


ON_THE_SERVICE = (
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
