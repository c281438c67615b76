"""Commands about archives: who has one, what is in it, and what takes messages away."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from component.core.access.principals import Operator, Role
from component.core.commands.dispatch import CommandService
from component.core.commands.paging import listed, part_of
from component.core.commands.spec import (
    Arguments,
    Cell,
    Command,
    Field,
    Kind,
    Outcome,
    Table,
    Value,
)
from component.core.errors import TooLarge
from component.core.retention.erasure import PATIENCE
from component.core.retention.figures import Figures, of_archive, of_forecast, of_purge
from component.core.retention.purge import Progress
from component.core.wording import counted

#: An archive that is larger, as a file, is not answered in one piece.
EXPORT_MAX_BYTES = 256 * 1024

OWNER = Field(name="owner", label="Bare JID of a user or a room", kind=Kind.OWNER)
OWNER_REQUIRED = replace(OWNER, is_required=True)

Columns = tuple[tuple[str, str], ...]

_USAGE: Columns = (
    ("owner", "Owner"),
    ("messages", "Messages"),
    ("bytes", "Bytes"),
    ("oldest", "Oldest"),
    ("newest", "Newest"),
)

_FORECAST: Columns = (
    ("archives", "Archives that lose messages"),
    ("messages", "Messages that go"),
    ("oldest", "The oldest of them"),
    ("newest", "The newest of them"),
)

_PURGES: Columns = (
    ("state", "State"),
    ("by", "By"),
    ("owner", "Owner"),
    ("started", "Started"),
    ("finished", "Finished"),
    ("archives", "Archives"),
    ("archives_done", "Archives done"),
    ("messages", "Messages"),
    ("bytes", "Bytes"),
    ("error", "Error"),
)


async def _archives(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    limit = answers.number("max_items")
    found = await desk.administration.usage(
        answers.one("host") or None, answers.one("after"), limit + 1
    )
    shown = found[:limit]
    return listed(
        "archive",
        [usage.owner for usage in shown],
        is_all=len(found) == len(shown),
        table=Table(_USAGE, tuple(_row(_USAGE, of_archive(usage)) for usage in shown)),
    )


async def _count(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    owner = answers.one("owner")
    await desk.queue.readable(owner)
    usage = await desk.administration.usage_of(owner)
    told = of_archive(usage)
    is_held = desk.administration.holds.is_held(owner)
    return Outcome(
        message=f"The archive of {owner} has {counted(usage.messages, 'message')}.",
        values=(
            *(Value(name, label, told[name]) for name, label in _USAGE),
            Value("held", "Under a legal hold", is_held),
        ),
    )


async def _purge(desk: CommandService, operator: Operator, answers: Arguments) -> Outcome:
    owner = answers.one("owner") or None
    begun = await desk.administration.janitor.order(
        operator.name, owner, is_confirmed=answers.flag("confirm")
    )
    return Outcome(message="A purge has begun.", table=_purge_table(begun))


async def _purge_preview(desk: CommandService, answers: Arguments) -> Outcome:
    approval = desk.administration.approval
    found = await approval.forecast(
        answers.one("owner") or None, patience=PATIENCE * desk.patience
    )
    is_confirmed = await approval.is_confirmed()
    told = of_forecast(found)
    doubt = "" if is_confirmed else " Nobody has confirmed the bounds that say so."
    return Outcome(
        message=f"This takes away {found}.{doubt}",
        values=(
            *(Value(name, label, told[name]) for name, label in _FORECAST),
            Value("confirmed", "The bounds are confirmed", is_confirmed),
        ),
    )


async def _purges(desk: CommandService, _: Operator, __: Arguments) -> Outcome:
    janitor = desk.administration.janitor
    known = [purge for purge in (janitor.current, janitor.last) if purge is not None]
    message = "A purge is under way." if janitor.current else "No purge is under way."
    return Outcome(message=message, table=_purge_table(*known))


async def _erase(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    owner = answers.one("owner")
    shed = await desk.administration.erasure.erase(owner, patience=PATIENCE * desk.patience)
    if not shed.done:
        return Outcome(message=f"The archive of {owner} is large: its erasure goes on.")
    return Outcome(
        message=f"The archive of {owner} is erased.",
        values=(
            Value("messages", "Messages erased", shed.messages),
            Value("bytes", "Bytes erased", shed.bytes),
        ),
    )


async def _erase_preview(desk: CommandService, answers: Arguments) -> Outcome:
    owner = answers.one("owner")
    usage = await desk.administration.usage_of(owner)
    told = of_archive(usage)
    return Outcome(
        message=(
            f"This erases the archive of {owner} with {counted(usage.messages, 'message')}, "
            "and what else is kept of its owner."
        ),
        values=tuple(Value(name, label, told[name]) for name, label in _USAGE),
    )


async def _export(desk: CommandService, _: Operator, answers: Arguments) -> Outcome:
    owner, source = answers.one("owner"), desk.administration.export
    is_json = answers.one("format") == "jsonl"
    text = await _small(source.json_lines(owner) if is_json else source.portable(owner))
    # Only at the ends of lines: within one there may be what Python takes for such an end.
    lines = tuple(line for line in text.split("\n") if line)
    return Outcome(
        message=f"The archive of {owner}.", values=(Value("archive", "Archive", lines),)
    )


async def _small(parts: AsyncGenerator[bytes]) -> str:
    """Return a file in one piece. Raises TooLarge."""
    found = bytearray()
    async with aclosing(parts):
        async for part in parts:
            found += part
            if len(found) > EXPORT_MAX_BYTES:
                raise TooLarge(
                    "This archive is too large to be answered in one piece: take it by "
                    "`muniment export`, or over HTTP from /v1/archives/OWNER/export."
                )
    return found.decode()


def _row(columns: Columns, told: Figures) -> tuple[Cell, ...]:
    return tuple(told[name] for name, _ in columns)


def _purge_table(*purges: Progress) -> Table:
    return Table(_PURGES, tuple(_row(_PURGES, of_purge(purge)) for purge in purges))


ARCHIVES = (
    Command(
        name="archives",
        title="List who has an archive, and how much is in it",
        node="muniment#archives",
        role=Role.ADMIN,
        fields=part_of("owner", usual=50),
        run=_archives,
    ),
    Command(
        name="count",
        title="Count what is in an archive",
        node="muniment#count",
        role=Role.READER,
        fields=(OWNER_REQUIRED,),
        run=_count,
    ),
    Command(
        name="export",
        title="Write out an archive",
        help="Over XMPP, and as a command over HTTP, only a small one: a large one is a file.",
        node="muniment#export",
        role=Role.READER,
        fields=(
            OWNER_REQUIRED,
            Field(
                name="format",
                label="Format",
                kind=Kind.CHOICE,
                default="jsonl",
                choices=(("jsonl", "JSON lines"), ("xep0227", "XEP-0227")),
            ),
        ),
        run=_export,
    ),
    Command(
        name="purge",
        title="Take away now what is beyond its retention",
        help="Of one archive, or of all. Bounds that are new, and take more than a tenth of an"
        " archive, want to be confirmed.",
        node="muniment#purge",
        role=Role.ADMIN,
        fields=(
            OWNER,
            Field(
                name="confirm",
                label="Confirm the bounds, whatever they take away",
                kind=Kind.FLAG,
            ),
        ),
        run=_purge,
        preview=_purge_preview,
    ),
    Command(
        name="purges",
        title="Tell how far a purge is, and how the last one was",
        node="muniment#purges",
        role=Role.ADMIN,
        run=_purges,
    ),
    Command(
        name="erase",
        title="Erase an archive, and what else is kept of its owner",
        help="The account stays. It cannot be undone, and is refused under a legal hold.",
        node="muniment#erase",
        role=Role.ADMIN,
        fields=(OWNER_REQUIRED,),
        run=_erase,
        preview=_erase_preview,
    ),
)
