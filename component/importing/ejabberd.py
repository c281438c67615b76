"""The archive of ejabberd's mod_mam in SQL, of the releases 23.01 to 26.07.

There are two schemas: with `new_sql_schema` (from 26.x on `sql_schema_multihost`) each row has the
host in `server_host`; otherwise a database has one host. A room is `username` with its service.
The id of a message is its time in microseconds, as a number.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence

from component.core.importing.records import (
    PAGE,
    BadSource,
    ImportRecord,
    SourcePage,
    UnreadableRecord,
)
from component.importing.databases import ForeignDatabase, Row
from component.importing.ejabberd_compression import MARK, NotCompressed, decompress
from component.importing.ejabberd_preferences import jids_of
from storage.rows import PreferencesRow

_COLUMNS = frozenset({"username", "timestamp", "peer", "xml", "id", "kind", "nick"})

_PREFERENCES = frozenset({"username", "def", "always", "never"})

_HOST = "server_host"

_UNKNOWN_HOST = "the database has one virtual host, and does not say which: name it with --host"


class EjabberdSource:
    """The table `archive`, and the table `archive_prefs`."""

    def __init__(self, database: ForeignDatabase, name: str, host: str | None) -> None:
        """`host` is the virtual host: of a database of one host, or to read one of several."""
        self._database = database
        self._host = host
        self.name = f"ejabberd {name}" + (f" {host}" if host else "")

    async def total(self) -> int | None:
        sql = 'SELECT count(*) FROM "archive"'
        if await self.has_hosts() and self._host:
            rows = await self._database.fetch(f'{sql} WHERE "{_HOST}" = $1', self._host)
        else:
            rows = await self._database.fetch(sql)
        return int(rows[0][0])

    async def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        place = _place(after)
        # Databases find a place by their index if they compare one host only.
        for host in await self._stored_hosts(place):
            behind = place[1:] if place and place[0] == (host or "") else None
            while rows := await self._rows(host, behind):
                yield self.page(rows, json.dumps(rows[-1][:4]))
                behind = tuple(rows[-1][1:4])
        async for page in self._preferences():
            yield page

    async def _stored_hosts(self, place: tuple[object, ...] | None) -> Sequence[str | None]:
        """Return the hosts from a place on, or only None if rows do not have their host."""
        if not await self.has_hosts():
            return [None]
        if self._host:
            return [self._host]
        rows = await self._database.fetch(
            f'SELECT DISTINCT "{_HOST}" FROM "archive" WHERE "{_HOST}" >= $1 ORDER BY "{_HOST}"',  # noqa: S608 - constant words
            place[0] if place else "",
        )
        return [row[0] for row in rows]

    async def has_hosts(self, unknown_host: str = _UNKNOWN_HOST) -> bool:
        """Return whether the rows have their host.

        Raises BadSource, with the text `unknown_host` if nothing says which host it is.
        """
        columns = await self._database.columns("archive")
        if not columns:
            raise BadSource("there is no table archive: mod_mam of ejabberd has no archive here")
        if missing := _COLUMNS - columns:
            raise BadSource(
                "the table archive is not one of ejabberd 23.01 to 26.07: it lacks "
                + ", ".join(sorted(missing))
            )
        if _HOST not in columns and not self._host:
            raise BadSource(unknown_host)
        return _HOST in columns

    async def _rows(self, host: str | None, behind: tuple[object, ...] | None) -> Sequence[Row]:
        """Return the next rows of a host: host, username, time, number, and the content.

        They are behind a username, a time and a number. The host is None if rows do not have it.
        """
        key = ["username", "timestamp", "id"]
        values: list[object] = list(behind or ())
        conditions = [self._database.behind(key)] if behind else []
        if host is not None:
            values.append(host)
            conditions.append(f'"{_HOST}" = ${len(values)}')
        names = ", ".join(f'"{name}"' for name in key)
        column = "''" if host is None else f'"{_HOST}"'
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return await self._database.fetch(
            f'SELECT {column}, "username", "timestamp", "id", "peer", "xml", "kind", "nick"'  # noqa: S608 - constant words
            f' FROM "archive"{where} ORDER BY {names} LIMIT {PAGE}',
            *values,
        )

    async def rows_of_span(
        self, key: Mapping[str, str], at: int, number: int, ends_at: int
    ) -> Sequence[Row]:
        """Return the next rows of a span by time, in the form that `page` takes. Raises BadSource.

        They are behind the row of a time and a number. `key` has the values of columns.
        """
        columns = await self._database.columns("archive")
        host = f'"{_HOST}"' if _HOST in columns else "''"
        values: list[object] = [at, ends_at, number]
        conditions = ""
        for column, value in key.items():
            values.append(value)
            conditions += f' AND "{column}" = ${len(values)}'
        return await self._database.fetch(
            f'SELECT {host}, "username", "timestamp", "id", "peer", "xml", "kind", "nick"'  # noqa: S608 - constant words
            ' FROM "archive" WHERE "timestamp" >= $1 AND "timestamp" <= $2'
            f' AND ("timestamp" > $1 OR "id" > $3){conditions}'
            f' ORDER BY "timestamp", "id" LIMIT {PAGE}',
            *values,
        )

    def page(self, rows: Sequence[Row], place: str) -> SourcePage:
        """Return the page of some rows, with the place behind it."""
        records: list[ImportRecord] = []
        unreadable: list[UnreadableRecord] = []
        for server_host, username, at, number, peer, xml, kind, nick in rows:
            is_of_room = kind == "groupchat" and "@" in username
            owner = username if is_of_room else f"{username}@{server_host or self._host}"
            try:
                if xml.startswith(MARK):
                    xml = decompress(xml.encode(errors="surrogateescape"), owner, peer)
            except (NotCompressed, UnicodeEncodeError) as error:
                unreadable.append(
                    UnreadableRecord(owner=owner, where=f"row {number}", reason=str(error))
                )
                continue
            records.append(
                ImportRecord(
                    owner=owner,
                    at=int(at),
                    xml=xml,
                    old_id=str(at),
                    peer=peer,
                    nick=nick or "",
                    is_of_room=is_of_room,
                )
            )
        return SourcePage(records=tuple(records), unreadable=tuple(unreadable), place=place)

    async def _preferences(self) -> AsyncIterator[SourcePage]:
        columns = await self._database.columns("archive_prefs")
        if not columns >= _PREFERENCES:
            return
        has_hosts = _HOST in columns
        host, key = f'"{_HOST}"', [_HOST, "username"]
        if not has_hosts:
            host, key = "''", ["username"]
        names = ", ".join(f'"{name}"' for name in key)
        last: tuple[str, ...] = ("", "") if has_hosts else ("",)
        while rows := await self._database.fetch(
            f'SELECT {host}, "username", "def", "always", "never" FROM "archive_prefs"'  # noqa: S608 - constant words
            f" WHERE {self._database.behind(key)} ORDER BY {names} LIMIT {PAGE}",
            *last,
        ):
            last = (rows[-1][0], rows[-1][1]) if has_hosts else (rows[-1][1],)
            yield self._preferences_page(rows)

    def _preferences_page(self, rows: Sequence[Row]) -> SourcePage:
        preferences: list[PreferencesRow] = []
        unreadable: list[UnreadableRecord] = []
        for server_host, username, default, always, never in rows:
            if self._host and server_host and server_host != self._host:
                continue
            owner = f"{username}@{server_host or self._host}"
            try:
                if default not in ("always", "never", "roster"):
                    raise ValueError(f"the default is {default!r}")
                preferences.append(
                    PreferencesRow(
                        owner=owner,
                        default=default,
                        always=jids_of(always),
                        never=jids_of(never),
                    )
                )
            except ValueError as error:
                unreadable.append(
                    UnreadableRecord(owner=owner, where="preferences", reason=str(error))
                )
        return SourcePage(preferences=tuple(preferences), unreadable=tuple(unreadable))


def _place(after: str | None) -> tuple[object, ...] | None:
    return tuple(json.loads(after)) if after else None
