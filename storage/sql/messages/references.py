"""Resolves references between messages: a name means the last earlier message that has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from storage.rows import NewMessage, Relation
from storage.sql.database import Bound, Connection, Row
from storage.sql.index import Target

#: The relations of the two groups in which references are read.
_GROUPS = ((Relation.CORRECTION, Relation.RETRACTION), (Relation.OTHER,))


async def resolve(
    connection: Connection, rows: Sequence[tuple[int, int, NewMessage]]
) -> dict[tuple[int, int], Target]:
    """Return the target of each new row that has one, by number of the owner and sequence.

    The rows of each owner are in arrival order. Call this before `Index.add`: a query makes the
    index of SQLite flush all rows that were added before.
    """
    names = list(
        {(number, name): None for number, _, message in rows for name in message.refers_to}
    )
    last = await connection.index.last_named(connection, names) if names else {}
    targets: dict[tuple[int, int], Target] = {}
    for number, sequence, message in rows:
        candidates = [
            last[number, name]
            for name in message.refers_to
            # An imported message may come before the last message of that name.
            if (number, name) in last and last[number, name].sequence < sequence
        ]
        original = sequence
        if candidates:
            target = targets[number, sequence] = max(candidates)
            if message.relation is Relation.CORRECTION:
                original = target.original
        if names:
            source = Target(sequence, original)
            last.update({(number, name): source for name in message.name_hashes})
    return targets


async def corrections(
    connection: Connection, number: int, sequence: int, *, before: int, limit: int
) -> list[Row]:
    """Return the newest unsettled corrections of a message that arrived before a sequence."""
    return await connection.index.newest_references(
        connection, number, sequence, (Relation.CORRECTION,), limit=limit, before=before
    )


async def referring(
    connection: Connection, number: int, sequences: Iterable[int], limit: int, bound: Bound | None
) -> AsyncIterator[tuple[int, list[Row], int]]:
    """Yield each sequence, the newest rows that refer to it, and the number of omitted rows.

    `limit` and `bound` apply to corrections and retractions, and separately to other references,
    so that a thousand reactions hide no correction. Sequences without references are skipped.
    """
    index, targets = connection.index, list(sequences)
    counts_by_target = await index.count_references(connection, number, targets)
    for target, counts in zip(targets, counts_by_target, strict=True):
        rows: list[Row] = []
        for relations, count in zip(_GROUPS, counts, strict=True):
            if count:
                newest = await index.newest_references(
                    connection, number, target, relations, limit=limit, bound=bound
                )
                rows += newest if bound is None else newest[: bound.fit(newest)]
        if rows:
            rows.sort(key=lambda row: int(row[0]))
            yield target, rows, sum(counts) - len(rows)
