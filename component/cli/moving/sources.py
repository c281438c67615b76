"""The sources of an import on the command line: their arguments, and how they are opened."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from component.cli.parsers import Parser

if TYPE_CHECKING:
    from component.config import Config
    from component.core.importing.records import Source

#: The password of a database is in this variable, because every user can read arguments.
PASSWORD = "SOURCE_PASSWORD"  # noqa: S105 - the name of a variable

SOURCES = {
    "ejabberd": "the archive of ejabberd's mod_mam in SQL",
    "prosody": "the archives of Prosody, in its folder or in SQL",
    "mam": "a running server, which is asked as each user",
    "xep-0227": "a file of XEP-0227, as other servers and muniment export write it",
    "json-lines": "a file of JSON lines, as muniment export writes it",
    "csv": "a CSV file",
}

_URL = "sqlite:PATH, postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE"


def add_sources(parser: Parser, shared: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add a parser for each of these sources; `shared` has the options of all of them.

    --config may come before the source and behind it.
    """
    parsers = parser.add_subcommands("source", "SOURCE")
    for name in names:
        source = parsers.add_parser(
            name,
            parents=[shared],
            help=SOURCES[name],
            description=f"Read {SOURCES[name]}.",
            epilog=f"The password of a database is in the variable {PASSWORD}."
            if name in ("ejabberd", "prosody")
            else None,
            examples=tuple(f"{parser.prog} {name} {rest}" for rest in _EXAMPLES[name]),
        )
        _ARGUMENTS[name](source)


def _add_ejabberd(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help=_URL)
    parser.add_argument(
        "--host",
        metavar="HOST",
        help="virtual host of a database of one host (default: the one of xmpp.hosts); of a "
        "database of several, the only one that is read",
    )


def _add_prosody(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", metavar="FOLDER|URL", help=f"Prosody's folder, as /var/lib/prosody, or {_URL}"
    )


def _add_mam(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "users", type=Path, metavar="FILE", help="a line for each user: JID PASSWORD [ROOM...]"
    )
    parser.add_argument("--address", default="127.0.0.1", help="host name or IP address")
    parser.add_argument("--port", type=int, default=5222)
    parser.add_argument(
        "--namespace",
        choices=("urn:xmpp:mam:2", "urn:xmpp:mam:1"),
        help="ask in this namespace only",
    )


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="FILE")


def _add_csv(parser: argparse.ArgumentParser) -> None:
    from component.importing.csv_fields import FIELDS

    _add_file(parser)
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="the column of a field, if it has another name; fields: "
        + "; ".join(f"{name} ({meaning})" for name, meaning in FIELDS.items()),
    )
    parser.add_argument("--delimiter", default=",", metavar="CHARACTER")


#: What may follow the name of a source.
_EXAMPLES = {
    "ejabberd": (
        "sqlite:/var/lib/muniment/ejabberd.db --host chat.example",
        "postgresql://ejabberd@db.example/ejabberd --since 2026-01-31T12:00:00Z",
    ),
    "prosody": ("/var/lib/prosody", "sqlite:/var/lib/prosody/prosody.sqlite --json"),
    "mam": ("users.txt --address 127.0.0.1 --port 5222",),
    "xep-0227": ("alice.xml",),
    "json-lines": ("alice.jsonl",),
    "csv": ("messages.csv --map owner=account --map time=sent_at",),
}

_ARGUMENTS = {
    "ejabberd": _add_ejabberd,
    "prosody": _add_prosody,
    "mam": _add_mam,
    "xep-0227": _add_file,
    "json-lines": _add_file,
    "csv": _add_csv,
}


@asynccontextmanager
async def open_source(options: argparse.Namespace, config: Config) -> AsyncIterator[Source]:
    """Open the source that the arguments name. Raises BadSource."""
    # Imported here, because drivers and slixmpp take long to import.
    from component.core.hosts import Hosts

    hosts = Hosts(config.xmpp.hosts, config.archive.room_services)
    match options.source:
        case "ejabberd":
            from component.importing.databases import open_database, shown
            from component.importing.ejabberd import EjabberdSource

            host = options.host
            if host is None and len(config.xmpp.hosts) == 1:
                host = config.xmpp.hosts[0]
            async with open_database(options.url, os.environ.get(PASSWORD)) as database:
                yield EjabberdSource(database, shown(options.url), host)
        case "prosody":
            from component.importing.databases import open_database, shown
            from component.importing.prosody import ProsodyFiles, ProsodySql

            if ":" not in options.place:
                yield ProsodyFiles(Path(options.place))
                return
            async with open_database(options.place, os.environ.get(PASSWORD)) as database:
                yield ProsodySql(database, shown(options.place))
        case "mam":
            from component.importing.mam import NAMESPACES, MamSource, read_users

            namespaces = (options.namespace,) if options.namespace else NAMESPACES
            users = read_users(options.users)
            yield MamSource(users, options.address, options.port, namespaces=namespaces)
        case "xep-0227":
            from component.importing.xep_0227 import PortableFile

            yield PortableFile(options.path, hosts)
        case "json-lines":
            from component.importing.json_lines import JsonLines

            yield JsonLines(options.path, hosts)
        case "csv":
            from component.importing.csv_file import CsvFile

            columns = _columns(options.map)
            yield CsvFile(options.path, columns, hosts, delimiter=options.delimiter)


def _columns(pairs: list[str]) -> dict[str, str]:
    """Return the columns of fields by the arguments of --map. Raises BadSource."""
    from component.core.importing.records import BadSource
    from component.importing.csv_fields import FIELDS

    columns = {}
    for pair in pairs:
        name, separator, column = pair.partition("=")
        if not separator or name not in FIELDS:
            raise BadSource(f"--map {pair}: write FIELD=COLUMN, with one of {', '.join(FIELDS)}")
        columns[name] = column
    return columns
