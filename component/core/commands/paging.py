"""Lists that are answered in parts: which part is asked for, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

from component.core.commands.spec import Field, Kind, Outcome, Table, Value
from component.core.wording import counted

LIST_MAX = 1000


def part_of(what: str, *, usual: int) -> tuple[Field, ...]:
    """Return the fields that say which part is wanted, of so many where nothing is said."""
    return (
        Field(name="host", label="Only of this virtual host", kind=Kind.HOST),
        Field(name="after", label=f"Only those behind this {what}"),
        Field(
            name="max_items",
            label="How many at most",
            kind=Kind.NUMBER,
            default=str(usual),
            most=LIST_MAX,
        ),
    )


def listed(
    noun: str,
    names: Sequence[str],
    *,
    is_all: bool,
    values: tuple[Value, ...] = (),
    table: Table | None = None,
) -> Outcome:
    """Return a part with the last name of it, behind which one goes on; `is_all`: it is none."""
    message = counted(len(names), noun)
    if not is_all:
        message += f", and more behind {names[-1]}"
        values = (*values, Value("next", "Go on behind", names[-1]))
    return Outcome(message=f"{message}.", values=values, table=table)
