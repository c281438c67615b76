"""Commands that list something page by page: the fields that select a page, and its result."""

from __future__ import annotations

from collections.abc import Sequence

from component.core.commands.spec import Field, FieldKind, Outcome, Table, Value
from component.core.wording import count_of

LIST_MAX = 1000


def page_fields(key: str, *, default: int) -> tuple[Field, ...]:
    """Return the fields that select a page; `key` names the values that the list is sorted by."""
    return (
        Field(name="host", label="Only of this virtual host", kind=FieldKind.HOST),
        Field(name="after", label=f"Only those after this {key}"),
        Field(
            name="max_items",
            label="Greatest number of items",
            kind=FieldKind.NUMBER,
            default=str(default),
            maximum=LIST_MAX,
        ),
    )


def page_outcome(
    noun: str,
    names: Sequence[str],
    *,
    is_last: bool,
    values: tuple[Value, ...] = (),
    table: Table | None = None,
) -> Outcome:
    """Return a page as a result; unless it is the last page, `next` is the value for `after`."""
    message = count_of(len(names), noun)
    if not is_last:
        message += f", and more after {names[-1]}"
        values = (*values, Value("next", "Next page after", names[-1]))
    return Outcome(message=f"{message}.", values=values, table=table)
