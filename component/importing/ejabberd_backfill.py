"""Reads what passed in a time out of the archive of ejabberd's mod_mam in SQL."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import replace

from component.core.backfill.source import Span
from component.core.hosts import Hosts
from component.core.importing.records import BadSource, SourcePage
from component.core.xml.jids import domain, local
from component.importing.databases import open_database, shown
from component.importing.ejabberd import EjabberdSource


class EjabberdBackfill:
    """`core.backfill.source.BackfillSource` over a database of mod_mam.

    The database is opened for each span, and locked no longer than one statement takes.
    """

    def __init__(self, url: str, password: str | None, hosts: Hosts) -> None:
        self._url = url
        self._password = password
        self._hosts = hosts
        self.name = f"mod_mam at {shown(url)}"

    async def pages(
        self, span: Span, *, owner: str | None = None, after: str | None = None
    ) -> AsyncGenerator[SourcePage, None]:
        host = self._hosts.default if len(self._hosts) == 1 else None
        async with open_database(self._url, self._password) as database:
            source = EjabberdSource(database, self._url, host)
            has_hosts = await source.has_hosts(
                "the database has one virtual host, and xmpp.hosts has several: let ejabberd use"
                " the schema for several hosts"
            )
            key = self._key(owner, has_hosts)
            number, at = -1, span.begins_at
            if after is not None:
                at, number = _place(after)
            while rows := await source.rows_of_span(key, at, number, span.ends_at):
                at, number = int(rows[-1][2]), int(rows[-1][3])
                page = source.page(rows, json.dumps([at, number]))
                yield page if owner is None else _only(page, owner)

    def _key(self, owner: str | None, has_hosts: bool) -> dict[str, str]:
        """Return the columns that choose the archive of an owner."""
        if owner is None:
            return {}
        if self._hosts.is_room(owner):
            return {"username": owner}
        key = {"username": local(owner)}
        return {**key, "server_host": domain(owner)} if has_hosts else key


def _only(page: SourcePage, owner: str) -> SourcePage:
    """Return what a page has of one archive. MySQL finds josé too where jose is asked for."""
    return replace(
        page,
        records=tuple(record for record in page.records if record.owner == owner),
        unreadable=tuple(record for record in page.unreadable if record.owner == owner),
    )


def _place(after: str) -> tuple[int, int]:
    try:
        at, number = json.loads(after)
        return int(at), int(number)
    except (ValueError, TypeError) as error:
        raise BadSource(f"this is no place in an archive of mod_mam: {after}") from error
