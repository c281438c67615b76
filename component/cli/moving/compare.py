"""`muniment compare SOURCE ...`: tell which messages two archives do not share."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from component.cli.exit_codes import FAILED, OK
from component.cli.failures import fail
from component.cli.moving.sources import add_sources, open_source
from component.cli.parsers import Parsers, add_json, common_options
from component.cli.progress import progress_bar
from component.config import Config
from component.core.wording import count_of
from component.core.xml.times import format_time, parse_time

if TYPE_CHECKING:
    from component.core.importing.compare import MissingMessage, OwnerComparison


NAME = "compare"

#: Sources that have their records by owner.
SOURCES = ("ejabberd", "prosody", "mam", "xep-0227")


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="say which messages another archive has and this one lacks, and the other way round",
        description="Compare the archives of another server, which may run, with those of "
        "Muniment, which may run too. Nothing is changed. The exit code is 0 if neither lacks a "
        "message of the other.",
    )
    shared = common_options(default=argparse.SUPPRESS)
    shared.add_argument(
        "--since", metavar="TIME", help="compare no older messages, as 2026-01-31T12:00:00Z"
    )
    shared.add_argument(
        "--others", action="store_true", help="also list archives that only Muniment has"
    )
    add_json(shared, "print a JSON object for each archive, a line each")
    add_sources(parser, shared, SOURCES)


def run(config: Config, options: argparse.Namespace) -> int:
    """Compare, print the result, and return an exit code."""
    from component.core.errors import Refused
    from component.core.importing.records import BadSource
    from storage.errors import StorageError

    try:
        return asyncio.run(_compare(config, options))
    except Refused as error:
        return fail(error.message, FAILED, in_json=options.json)
    except (BadSource, StorageError) as error:
        return fail(str(error), FAILED, in_json=options.json)


async def _compare(config: Config, options: argparse.Namespace) -> int:
    from component.core.hosts import Hosts
    from component.core.importing.compare import Comparer
    from component.wiring import settings
    from component.xmpp.connection.addresses import Addresses
    from storage.open import open_read_only

    since = parse_time(options.since) if options.since else None
    hosts = Hosts(config.xmpp.hosts, config.archive.room_services)
    archives = different = 0
    async with (
        open_source(options, config) as source,
        open_read_only(config.storage.url, settings.postgres(config)) as (storage, _),
    ):
        comparer = Comparer(storage, hosts, Addresses())
        with progress_bar("Compare", await source.total()) as bar:
            async for comparison in comparer.run(
                source, since=since, others=options.others, progress=bar.advance
            ):
                archives += 1
                different += not comparison.is_alike
                print_comparison(comparison, in_json=options.json)
    if not options.json:
        print(f"{count_of(archives, 'archive')} compared, {different:,} with differences.")
    return FAILED if different else OK


def print_comparison(comparison: OwnerComparison, *, in_json: bool) -> None:
    """Print the numbers of one archive, and the messages that are missing."""
    if in_json:
        print(json.dumps(asdict(comparison), ensure_ascii=False), flush=True)
        return
    if comparison.is_alike:
        print(f"{comparison.owner}: the same {count_of(comparison.there, 'message')}")
        return
    print(
        f"{comparison.owner}: {count_of(comparison.there, 'message')} there,"
        f" {comparison.here:,} here, {comparison.missing_here:,} missing here,"
        f" {comparison.missing_there:,} missing there"
    )
    _list("only there", comparison.named_there, comparison.missing_here)
    _list("only here", comparison.named_here, comparison.missing_there)


def _list(title: str, messages: list[MissingMessage], count: int) -> None:
    for message in messages:
        print(f"  {title}: {format_time(message.at)} {message.peer} {message.id}")
    if count > len(messages):
        print(f"  {title}: {count - len(messages):,} more")
