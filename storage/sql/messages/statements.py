"""Builds and runs the SQL that reads the rows of a selection through an index."""

from __future__ import annotations

from collections.abc import Sequence

from storage.rows import READABLE, ArchivedMessage, Direction, Filter, Kind
from storage.sql.database import Bound, Connection, Row
from storage.sql.index import Index
from storage.sql.messages.ids import Ids
from storage.sql.messages.selection import BEYOND, Selection

#: Columns of a row that becomes an ArchivedMessage.
COLUMNS = (
    "sequence, at, archive.peer, resource, type, direction, xml, nick, kind, stanza_id, author"
)

#: Columns of a row if only its sequence is needed.
SEQUENCES = "sequence"

_XML = 6


# Without statistics SQLite would scan the archive for one peer.
_OF_PEER = "archive /* INDEXED BY archive_peer */"
_BLANKED = "archive /* INDEXED BY archive_blanked */"
_BLANKED_KINDS = frozenset({Kind.BLANKED})

# The owner, or NULL if the archive has a late message: without late messages, the order of arrival
# is the order of time.
_NEVER_LATE = """(
    SELECT number FROM owners WHERE number = $1 AND NOT EXISTS (
        SELECT 1 FROM archive /* INDEXED BY archive_late */ WHERE owner = $1 AND lateness > 0
    )
)"""

#: Number of rows through which a search walks in their order before it looks for all matches. If
#: more than one row in forty matches, these rows fill a page.
WALKED = 2_000

# A look-up is faster than the constructor of an enum; a page needs fifty of each.
_DIRECTIONS = {direction.value: direction for direction in Direction}
_KINDS = {kind.value: kind for kind in Kind}


class SelectBuilder:
    """Builds the SQL of a selection, from constant words and numbered values."""

    def __init__(
        self, selection: Selection, index: Index, *, is_by_time: bool = False, owner: str = "$1"
    ) -> None:
        """`owner` is an SQL expression for the number of the owner."""
        self.values: list[object] = [selection.number]
        self._index = index
        self._owner = owner
        self._is_search = bool(selection.filter.phrases)
        self._is_of_peer = selection.filter.peer is not None and not is_by_time
        self._is_blanked = selection.filter.kinds == _BLANKED_KINDS and not is_by_time
        self._indexed_conditions: list[str] = []
        self._other_conditions: list[str] = []
        #: The conditions of the range, and those of the strays if there are any.
        self._parts: list[list[str]] = [[]]
        self._add_indexed_conditions(selection)
        self._add_other_conditions(selection.filter)

    @property
    def source(self) -> str:
        if self._is_search:
            return self._index.found
        if self._is_blanked:
            return _BLANKED
        return _OF_PEER if self._is_of_peer else "archive"

    @property
    def order(self) -> str:
        return self._index.order if self._is_search else "sequence"

    def by_arrival(
        self,
        *,
        limit: int,
        backwards: bool = False,
        skip: int = 0,
        columns: str = COLUMNS,
        sorts: bool = False,
    ) -> str:
        """Return a query for the oldest (or newest) rows in the order of their arrival.

        With `sorts`, all rows are found before they are sorted.
        """
        # An index has this order for each part, so SQLite reads only the rows of the page.
        order = f"({self.order} + 0)" if sorts else self.order
        return (
            f"{self.rows(columns)} ORDER BY {order} {'DESC' if backwards else 'ASC'}"
            f" LIMIT {self.value(limit)}{f' OFFSET {self.value(skip)}' if skip else ''}"
        )

    def walk(self, selection: Selection, count: int, *, backwards: bool) -> None:
        """Restrict a search to the oldest (or newest) rows of its range, matching or not."""
        edge, comparison, direction = ("min", ">=", "DESC") if backwards else ("max", "<=", "ASC")
        self._indexed_conditions.append(
            f"{self._index.sequence} {comparison} (SELECT {edge}(sequence) FROM ("  # noqa: S608
            f"SELECT sequence FROM {self._index.words} WHERE owner = $1"
            f" AND sequence >= {self.value(selection.first)}"
            f" AND sequence <= {self.value(selection.last)}"
            f" ORDER BY sequence {direction} LIMIT {self.value(count)}) AS walked)"
        )

    def rows(self, columns: str) -> str:
        """Return a query for all rows in any order."""
        return " UNION ALL ".join(self._rows(columns, self._other_conditions))

    def _rows(
        self, columns: str, conditions: Sequence[str], source: str | None = None
    ) -> list[str]:
        """Return a query for the rows of each part."""
        return [
            f"SELECT {columns} FROM {source or self.source}"  # noqa: S608 - constant words
            f" WHERE {' AND '.join([*self._indexed_conditions, *part, *conditions])}"
            for part in self._parts
        ]

    def examined(self, limit: int) -> str:
        """Return a query for sequences that an index finds, and whether each row `fits`."""
        source, place = self.source, "sequence"
        if self._is_search and not self._other_conditions:
            # The full-text index has all that this query needs, so it reads no archive rows.
            source, place = self._index.words, self._index.sequence
        fits = " AND ".join(self._other_conditions) or "true"
        rows = self._rows(f"{place} AS sequence, ({fits}) AS fits", (), source)
        return f"{' UNION ALL '.join(rows)} LIMIT {self.value(limit)}"

    def value(self, value: object) -> str:
        """Add a value and return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"

    def _add_indexed_conditions(self, selection: Selection) -> None:
        filter = selection.filter
        if filter.phrases:
            self._indexed_conditions += self._index.conditions(
                selection.number,
                filter.phrases,
                filter.peer,
                selection.first,
                selection.last,
                self.value,
            )
            self._other_conditions += self._peer_conditions(filter)
        else:
            self._indexed_conditions.append(f"owner = {self._owner}")
            [range_conditions] = self._parts
            if selection.first > 1:
                range_conditions.append(f"sequence >= {self.value(selection.first)}")
            if selection.last < BEYOND:
                range_conditions.append(f"sequence <= {self.value(selection.last)}")
            if selection.strays:
                self._parts.append([f"sequence = ANY({self.value(list(selection.strays))})"])
            self._indexed_conditions += self._peer_conditions(filter)
            if self._is_blanked:
                self._indexed_conditions.append("kind = 'blanked'")
        if selection.sequences is not None:
            place = self._index.sequence if filter.phrases else "sequence"
            sequences = self.value(list(selection.sequences))
            self._indexed_conditions.append(f"{place} = ANY({sequences})")

    def _peer_conditions(self, filter: Filter) -> list[str]:
        if filter.peer is not None:
            return [f"archive.peer = {self.value(filter.peer)}"]
        if filter.peer_local is not None:
            # Every domain: "A" is the character after "@".
            return [
                f"archive.peer >= {self.value(f'{filter.peer_local}@')}",
                f"archive.peer < {self.value(f'{filter.peer_local}A')}",
            ]
        return []

    def _add_other_conditions(self, filter: Filter) -> None:
        conditions = self._other_conditions
        if filter.resource is not None:
            conditions.append(f"resource = {self.value(filter.resource)}")
        if filter.since is not None:
            conditions.append(f"at >= {self.value(filter.since)}")
        if filter.until is not None:
            conditions.append(f"at <= {self.value(filter.until)}")
        if filter.groupchat is not None:
            conditions.append(f"type {'=' if filter.groupchat else '<>'} 'groupchat'")
        if filter.kinds == READABLE:
            conditions.append("kind <> 'blanked'")
        elif filter.kinds is not None:
            kinds = self.value(sorted(kind.value for kind in filter.kinds))
            conditions.append(f"kind = ANY({kinds})")


async def by_arrival(
    connection: Connection,
    selection: Selection,
    *,
    limit: int,
    backwards: bool = False,
    skip: int = 0,
    bound: Bound | None = None,
    owner: str = "$1",
) -> list[Row]:
    """Return the oldest (or newest) rows in arrival order; `owner` as in SelectBuilder."""
    sorts = bool(selection.filter.phrases) and not connection.index.is_ordered
    if sorts and not skip and selection.sequences is None:
        # The database cannot know how many rows match. It would walk through a whole archive to
        # find one, or find a million of them to return a page.
        query = SelectBuilder(selection, connection.index, owner=owner)
        query.walk(selection, WALKED, backwards=backwards)
        sql = query.by_arrival(limit=limit, backwards=backwards)
        rows = await connection.fetch(sql, *query.values, bound=bound)
        if len(rows) >= limit or (bound is not None and bound.fit(rows) < len(rows)):
            return rows
    query = SelectBuilder(selection, connection.index, owner=owner)
    sql = query.by_arrival(limit=limit, backwards=backwards, skip=skip, sorts=sorts)
    return await connection.fetch(sql, *query.values, bound=bound)


async def by_time(
    connection: Connection,
    selection: Selection,
    *,
    newest: bool,
    limit: int | None,
    bound: Bound | None = None,
    edge: tuple[str, int] | None = None,
) -> list[Row]:
    """Return the oldest (or newest) rows in the order of their time.

    `edge` is a comparison (=, < or >) and a time: only rows whose time compares so are returned.
    """
    filter = selection.filter
    if limit and not edge and filter == Filter(peer=filter.peer, kinds=filter.kinds):
        # An index has the rows of an archive, or of one peer, in the order of arrival.
        rows = await by_arrival(
            connection, selection, limit=limit, backwards=newest, bound=bound, owner=_NEVER_LATE
        )
        if rows:
            return rows
    query = SelectBuilder(selection, connection.index, is_by_time=True)
    order = "DESC" if newest else "ASC"
    limit_sql = "" if limit is None else f" LIMIT {query.value(limit)}"
    edge_sql = "" if edge is None else f" AND at {edge[0]} {query.value(edge[1])}"
    return await connection.fetch(
        f"{query.rows(COLUMNS)}{edge_sql} ORDER BY at {order}, sequence {order}{limit_sql}",
        *query.values,
        bound=bound,
    )


def xml_bound(max_bytes: int | None, column: int = _XML) -> Bound | None:
    """Return the bound for the XML of rows, None if `max_bytes` is None."""
    return None if max_bytes is None else Bound(max_bytes, column)


def archived_messages(ids: Ids, number: int, rows: Sequence[Row]) -> tuple[ArchivedMessage, ...]:
    """Return rows of one archive as messages."""
    rows_with_ids = zip(ids.encode(number, [row[0] for row in rows]), rows, strict=True)
    # `ArchivedMessage()` would take twice as long.
    make = tuple.__new__
    return tuple(
        [
            make(
                ArchivedMessage,
                (id, r[1], r[2], r[3], r[4], _DIRECTIONS[r[5]], r[6], r[7], _KINDS[r[8]], "", "")
                if r[9] is r[10] is None
                else _of_room(id, r),
            )
            for id, r in rows_with_ids
        ]
    )


def _of_room(made_id: str, row: Row) -> tuple[object, ...]:
    """Return the fields of a message that has a public id of its own, or an author."""
    direction, kind = _DIRECTIONS[row[5]], _KINDS[row[8]]
    fields = *row[1:5], direction, row[6], row[7], kind
    author = row[10] or ""
    return (made_id, *fields, "", author) if row[9] is None else (row[9], *fields, made_id, author)
