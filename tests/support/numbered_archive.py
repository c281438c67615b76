"""Queries to an archive of fifteen messages by their numbers; the oldest one is 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from support.mam_payloads import Value, archive_query
from support.wire import Reply, Wire

COUNT = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedPage:
    """One page, with messages by their numbers."""

    numbers: list[int]  #: in the order in which they were sent
    complete: bool
    count: int | None
    index: int | None
    first: str | None
    last: str | None
    refusal: str | None


@dataclass(frozen=True, slots=True)
class NumberedArchive:
    """The archive of alice."""

    wire: Wire
    #: fields of every query
    fields: Mapping[str, Value]
    #: ids by number; number 0 has none
    ids: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, wire: Wire, fields: Mapping[str, Value]) -> Self:
        """Read the ids of the messages."""
        reply = await wire.delegated(archive_query(fields))
        assert reply.bodies == [str(number) for number in range(1, COUNT + 1)]
        return cls(wire, fields, ["", *reply.ids])

    async def page(
        self,
        *,
        max: int | None = None,
        after: int | str | None = None,
        before: int | str | None = None,
        index: int | None = None,
        behind: int | None = None,
        ahead_of: int | None = None,
        ids: list[str] | None = None,
        is_flipped: bool = False,
    ) -> NumberedPage:
        """Query a page between messages, given by number, or by id as a string.

        `behind` and `ahead_of` are the fields after-id and before-id, the others select the page.
        """
        optional: dict[str, Value | None] = {
            "after-id": None if behind is None else self.ids[behind],
            "before-id": None if ahead_of is None else self.ids[ahead_of],
            "ids": ids,
        }
        present = {name: value for name, value in optional.items() if value is not None}
        payload = archive_query(
            {**self.fields, **present},
            max=max,
            after=self._id(after),
            before=self._id(before),
            index=index,
            is_flipped=is_flipped,
        )
        return _answer(await self.wire.delegated(payload))

    def _id(self, place: int | str | None) -> str | None:
        return self.ids[place] if isinstance(place, int) else place


def _answer(reply: Reply) -> NumberedPage:
    if reply.refusal is not None:
        return NumberedPage(
            numbers=[],
            complete=False,
            count=None,
            index=None,
            first=None,
            last=None,
            refusal=reply.refusal,
        )
    count = reply.rsm("count")
    return NumberedPage(
        numbers=[int(body) for body in reply.bodies],
        complete=reply.complete,
        count=None if count is None else int(count),
        index=None if reply.index is None else int(reply.index),
        first=reply.rsm("first"),
        last=reply.rsm("last"),
        refusal=None,
    )
