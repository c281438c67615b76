"""Resolves references between messages: a name means the last earlier message that has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter

from storage.rows import ANY, NewMessage, Relation
from storage.sql.database import Bound, Connection, Row
from storage.sql.index import Target
from storage.sql.messages.selection import Selection
from storage.sql.messages.statements import by_arrival

#: The relations of the two groups in which references are read.
_GROUPS = ((Relation.CORRECTION, Relation.RETRACTION), (Relation.OTHER,))
_GROUP_OF = {relation: group for group in _GROUPS for relation in group}

#: The number of messages through which a walk takes as long as the search for the references to
#: one message.
WALKED_FOR_TARGET = 50

_LAST_SEQUENCE = "SELECT last_sequence FROM owners WHERE number = $1"


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
    walked = await _walked(connection, number, targets, limit, bound)
    if walked is not None:
        for target in targets:
            if target in walked:
                yield target, *walked[target]
        return
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


async def _walked(
    connection: Connection, number: int, targets: Sequence[int], limit: int, bound: Bound | None
) -> Mapping[int, tuple[list[Row], int]] | None:
    """Return what `referring` yields, by sequence, found among all messages behind the first one.

    None: a search for the references to each message costs less.
    """
    last = await connection.fetch(_LAST_SEQUENCE, number)
    # The number of an archive that was erased just now may still be in the cache.
    if not targets or not last:
        return {}
    first = min(targets)
    if last[0][0] - first > WALKED_FOR_TARGET * len(targets):
        return None
    found: defaultdict[tuple[int, tuple[Relation, ...]], list[int]] = defaultdict(list)
    wanted = set(targets)
    for link in await connection.index.links_behind(connection, number, first):
        if link.target in wanted:
            found[link.target, _GROUP_OF[link.relation]].append(link.sequence)
    newest = {key: sequences[::-1][:limit] for key, sequences in found.items()}
    places = tuple(chain.from_iterable(newest.values()))
    rows = []
    if places:
        whole = None if bound is None else Bound(bound.bytes * len(newest), bound.column)
        selection = Selection(number=number, filter=ANY, sequences=places)
        rows = await by_arrival(
            connection, selection, limit=len(places), backwards=True, bound=whole
        )
        if whole is not None and whole.fit(rows) < len(rows):
            return None
    by_sequence = {row[0]: row for row in rows}
    walked: dict[int, tuple[list[Row], int]] = {}
    for (target, group), sequences in newest.items():
        fitting = [by_sequence[sequence] for sequence in sequences if sequence in by_sequence]
        if bound is not None:
            del fitting[bound.fit(fitting) :]
        others, left_out = walked.get(target, ([], 0))
        left_out += len(found[target, group]) - len(fitting)
        walked[target] = sorted([*others, *fitting], key=itemgetter(0)), left_out
    return walked
