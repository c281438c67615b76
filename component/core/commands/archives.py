"""Commands that list, count, export, purge and erase archives."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from component.core.access.principals import Principal, Role
from component.core.commands.context import CommandContext
from component.core.commands.paging import page_fields, page_outcome
from component.core.commands.spec import (
    Arguments,
    Cell,
    Command,
    Field,
    FieldKind,
    Outcome,
    Table,
    Value,
)
from component.core.errors import TooLarge
from component.core.retention.admin import Fields, forecast_fields, purge_fields, usage_fields
from component.core.retention.erasure import TIMEOUT_SHARE
from component.core.retention.purge import Progress
from component.core.wording import count_of

OWNER = Field(name="owner", label="Bare JID of a user or a room", kind=FieldKind.OWNER)
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
    ("messages", "Messages to delete"),
    ("oldest", "Oldest of them"),
    ("newest", "Newest of them"),
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
    ("deleted", "Of these, deleted"),
    ("blanked", "Of these, blanked"),
    ("old_ids", "Ids of imported messages"),
    ("bytes", "Bytes of XML"),
    ("freed_bytes", "Bytes freed in the files"),
    ("released_bytes", "Bytes given back to the disk"),
    ("free_bytes", "Bytes unused in the files"),
    ("remedy", "What gives these back"),
    ("error", "Error"),
)


async def _archives(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    limit = arguments.number("max_items")
    usages = await context.archives.usage(
        arguments.text("host") or None, arguments.text("after"), limit + 1
    )
    listed = usages[:limit]
    return page_outcome(
        "archive",
        [usage.owner for usage in listed],
        is_last=len(usages) == len(listed),
        table=Table(_USAGE, tuple(_row(_USAGE, usage_fields(usage)) for usage in listed)),
    )


async def _count(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    owner = arguments.text("owner")
    await context.queue.wait_readable(owner)
    usage = await context.archives.usage_of(owner)
    fields = usage_fields(usage)
    is_held = context.archives.holds.is_held(owner)
    return Outcome(
        message=f"The archive of {owner} has {count_of(usage.messages, 'message')}.",
        values=(
            *(Value(name, label, fields[name]) for name, label in _USAGE),
            Value("held", "Under a legal hold", is_held),
        ),
    )


async def _purge(context: CommandContext, principal: Principal, arguments: Arguments) -> Outcome:
    owner = arguments.text("owner") or None
    progress = await context.archives.janitor.order(
        principal.name, owner, is_confirmed=arguments.flag("confirm")
    )
    return Outcome(message="A purge has started.", table=_purge_table(progress))


async def _purge_preview(context: CommandContext, arguments: Arguments) -> Outcome:
    approval = context.archives.approval
    forecast = await approval.forecast(
        arguments.text("owner") or None, wait_seconds=TIMEOUT_SHARE * context.timeout
    )
    is_confirmed = await approval.is_confirmed()
    fields = forecast_fields(forecast)
    warning = "" if is_confirmed else " Nobody has confirmed these retention limits."
    return Outcome(
        message=f"This deletes {forecast}.{warning}",
        values=(
            *(Value(name, label, fields[name]) for name, label in _FORECAST),
            Value("confirmed", "Limits are confirmed", is_confirmed),
        ),
    )


async def _purges(context: CommandContext, _: Principal, __: Arguments) -> Outcome:
    janitor = context.archives.janitor
    purges = [purge for purge in (janitor.current, janitor.last) if purge is not None]
    message = "A purge is running." if janitor.current else "No purge is running."
    return Outcome(message=message, table=_purge_table(*purges))


async def _erase(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    owner = arguments.text("owner")
    removed = await context.archives.erasure.erase(
        owner, wait_seconds=TIMEOUT_SHARE * context.timeout
    )
    if not removed.done:
        return Outcome(message=f"The archive of {owner} is large: its erasure continues.")
    return Outcome(
        message=f"The archive of {owner} is erased.",
        values=(
            Value("messages", "Messages erased", removed.messages),
            Value("bytes", "Bytes erased", removed.bytes),
        ),
    )


async def _erase_preview(context: CommandContext, arguments: Arguments) -> Outcome:
    owner = arguments.text("owner")
    usage = await context.archives.usage_of(owner)
    fields = usage_fields(usage)
    return Outcome(
        message=f"This erases the archive of {owner} with {count_of(usage.messages, 'message')},"
        " and all other data of its owner.",
        values=tuple(Value(name, label, fields[name]) for name, label in _USAGE),
    )


async def _export(context: CommandContext, _: Principal, arguments: Arguments) -> Outcome:
    owner, source = arguments.text("owner"), context.archives.export
    is_json = arguments.text("format") == "jsonl"
    chunks = source.json_lines(owner) if is_json else source.portable(owner)
    text = await _join(chunks, context.export_max_bytes)
    # Not `splitlines`: messages may contain other characters that it takes for ends of lines.
    lines = tuple(line for line in text.split("\n") if line)
    return Outcome(
        message=f"The archive of {owner}.", values=(Value("archive", "Archive", lines),)
    )


async def _join(chunks: AsyncGenerator[bytes], max_bytes: int) -> str:
    """Return a small file as one string. Raises TooLarge."""
    content = bytearray()
    async with aclosing(chunks):
        async for chunk in chunks:
            content += chunk
            if len(content) > max_bytes:
                raise TooLarge(
                    "This archive is too large for one answer: export it with "
                    "`muniment export`, or over HTTP from /v1/archives/OWNER/export."
                )
    return content.decode()


def _row(columns: Columns, fields: Fields) -> tuple[Cell, ...]:
    return tuple(fields[name] for name, _ in columns)


def _purge_table(*purges: Progress) -> Table:
    return Table(_PURGES, tuple(_row(_PURGES, purge_fields(purge)) for purge in purges))


ARCHIVE_COMMANDS = (
    Command(
        name="archives",
        title="List archives with their size",
        node="muniment#archives",
        role=Role.ADMIN,
        fields=page_fields("owner", default=50),
        examples=("", "--host chat.example --max-items 100 --json"),
        run=_archives,
    ),
    Command(
        name="count",
        title="Count the messages of an archive",
        node="muniment#count",
        role=Role.READER,
        fields=(OWNER_REQUIRED,),
        examples=("alice@chat.example",),
        run=_count,
    ),
    Command(
        name="export",
        title="Export an archive",
        help="Over XMPP, and as a command over HTTP, the archive must be small.",
        node="muniment#export",
        role=Role.READER,
        fields=(
            OWNER_REQUIRED,
            Field(
                name="format",
                label="Format",
                kind=FieldKind.CHOICE,
                default="jsonl",
                choices=(("jsonl", "JSON lines"), ("xep0227", "XEP-0227")),
            ),
        ),
        examples=(
            "alice@chat.example --output alice.jsonl",
            "alice@chat.example --format xep0227 --output alice.xml",
        ),
        run=_export,
    ),
    Command(
        name="purge",
        title="Delete messages over the retention limits now",
        help="In one archive, or in all. New limits that delete more than a tenth of an archive"
        " have to be confirmed.",
        node="muniment#purge",
        role=Role.ADMIN,
        fields=(
            OWNER,
            Field(
                name="confirm",
                label="Confirm the limits, however much they delete",
                kind=FieldKind.FLAG,
            ),
        ),
        examples=("--wait", "--owner alice@chat.example --yes"),
        run=_purge,
        preview=_purge_preview,
    ),
    Command(
        name="purges",
        title="Show the progress of a purge, and the result of the last one",
        node="muniment#purges",
        role=Role.ADMIN,
        examples=("", "--json"),
        run=_purges,
    ),
    Command(
        name="erase",
        title="Erase an archive and all other data of its owner",
        help="The account stays. It cannot be undone, and it is refused under a legal hold.",
        node="muniment#erase",
        role=Role.ADMIN,
        fields=(OWNER_REQUIRED,),
        examples=("alice@chat.example", "alice@chat.example --yes"),
        run=_erase,
        preview=_erase_preview,
    ),
)
