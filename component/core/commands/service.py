"""Commands about the program itself."""

from __future__ import annotations

from component.core.access.principals import Principal, Role
from component.core.commands.context import CommandContext
from component.core.commands.spec import (
    Arguments,
    Command,
    Field,
    FieldKind,
    Outcome,
    Table,
    Value,
)
from component.core.errors import Conflict, ItemNotFound
from component.core.wording import count_of
from component.core.xml.times import format_if_known, format_time

_GAPS = (
    ("number", "Number"),
    ("from", "From"),
    ("to", "To"),
    ("reason", "Reason"),
    ("state", "State"),
    ("filled", "Filled"),
    ("messages", "Messages added"),
    ("failure", "Why"),
)


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
            Value("gaps", "Gaps in which messages may be missing", len(context.gaps.unfilled())),
            Value("holds", "Legal holds", len(archives.holds.all())),
            Value("purging", "Purge running", archives.janitor.current is not None),
            Value(
                "unconfirmed",
                "Retention limits have to be confirmed",
                archives.approval.unconfirmed is not None,
            ),
        ),
    )


async def _gaps(context: CommandContext, _: Principal, __: Arguments) -> Outcome:
    gaps = context.gaps.all()
    rows = tuple(
        (
            gap.number or None,
            format_time(gap.begins_at),
            format_if_known(gap.ends_at),
            gap.reason,
            gap.state.value,
            format_if_known(gap.filled_at or None),
            gap.filled,
            gap.failure,
        )
        for gap in gaps
    )
    unfilled = len(context.gaps.unfilled())
    if not gaps:
        message = "There are no gaps."
    elif not unfilled:
        message = f"{count_of(len(gaps), 'gap')}, all filled."
    else:
        message = f"{count_of(len(gaps), 'gap')}: in {unfilled} of them messages may be missing."
    return Outcome(message=message, table=Table(_GAPS, rows))


async def _fill_gap(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    number = arguments.number("number")
    if not await context.gaps.fill(number):
        raise ItemNotFound("There is no gap with this number: muniment gaps lists them.")
    return Outcome(message=f"Gap {number} is filled: pages do not show it any more.")


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
        name="gaps",
        title="List the times in which messages of all archives may be missing",
        help="Muniment received no copies then. A gap without an end lasts still.",
        node="muniment#gaps",
        role=Role.ADMIN,
        run=_gaps,
    ),
    Command(
        name="fill-gap",
        title="Note that the messages of a gap were fetched from elsewhere",
        help="Pages do not show the gap any more.",
        node="muniment#fill-gap",
        role=Role.ADMIN,
        fields=(
            Field(
                name="number",
                label="Number of the gap",
                kind=FieldKind.NUMBER,
                is_required=True,
                maximum=2**31,
            ),
        ),
        examples=("3",),
        run=_fill_gap,
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
