"""`muniment import SOURCE ...`: import archives from another program."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from component.cli.exit_codes import FAILED, OK, UNREACHABLE
from component.cli.failures import fail
from component.cli.moving.sources import SOURCES, add_sources, open_source
from component.cli.parsers import Parsers, add_json, common_options
from component.cli.progress import progress_bar
from component.config import Config
from component.core.wording import count_of
from component.core.xml.times import format_if_known, parse_time

if TYPE_CHECKING:
    from component.core.importing.pipeline import ImportOptions, ImportReport


NAME = "import"

#: The archives that are printed one by one.
LISTED_MAX = 50


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="import the archives of another server or of a file",
        description="Import archives from another program into the store of this configuration. "
        "Muniment must not run meanwhile. A run that was interrupted goes on where it stopped; "
        "a second run adds nothing.",
    )
    shared = common_options(default=argparse.SUPPRESS)
    shared.add_argument(
        "--dry-run", action="store_true", help="count only: say what would be imported"
    )
    shared.add_argument(
        "--behind",
        action="store_true",
        help="also import into archives that have messages already and no room before them: the "
        "messages come behind those, as if they arrived now",
    )
    shared.add_argument(
        "--owner",
        action="append",
        default=[],
        metavar="JID",
        help="import this archive only; repeat it for others",
    )
    shared.add_argument(
        "--since", metavar="TIME", help="import no older messages, as 2026-01-31T12:00:00Z"
    )
    shared.add_argument(
        "--no-verify", action="store_true", help="do not read the source again to verify"
    )
    add_json(shared)
    add_sources(parser, shared, tuple(SOURCES))


def run(config: Config, options: argparse.Namespace) -> int:
    """Import, print the report, and return an exit code."""
    from component.core.errors import Refused
    from component.core.importing.records import BadSource
    from storage.errors import Locked, StorageError

    try:
        report = asyncio.run(_import(config, options))
    except Locked as error:
        return fail(
            f"{error}: stop Muniment first (systemctl stop muniment). Nothing was imported.",
            UNREACHABLE,
            in_json=options.json,
        )
    except Refused as error:
        return fail(error.message, FAILED, in_json=options.json)
    except (BadSource, StorageError) as error:
        return fail(str(error), FAILED, in_json=options.json)
    print_report(report, options)
    return FAILED if _is_incomplete(report) else OK


async def _import(config: Config, options: argparse.Namespace) -> ImportReport:
    from component.core.hosts import Hosts
    from component.core.importing.pipeline import Importer
    from component.wiring import settings
    from component.xmpp.connection.addresses import Addresses
    from storage.open import open_storage

    importing = _options(options)
    hosts = Hosts(config.xmpp.hosts, config.archive.room_services)
    async with (
        open_source(options, config) as source,
        open_storage(
            config.storage.url,
            synchronous=config.storage.synchronous,
            options=settings.postgres(config, alone=True),
        ) as storage,
    ):
        importer = Importer(storage, hosts, Addresses())
        total = await source.total()
        with progress_bar("Import", total) as bar:
            report = await importer.run(source, importing, bar.advance)
        if not (options.no_verify or options.dry_run):
            with progress_bar("Verify", total) as bar:
                await importer.verify(source, importing, report, bar.advance)
    return report


def _options(options: argparse.Namespace) -> ImportOptions:
    from component.core.importing.pipeline import ImportOptions
    from component.xmpp.connection.addresses import Addresses

    return ImportOptions(
        is_dry_run=options.dry_run,
        behind=options.behind,
        owners=frozenset(map(Addresses().prepare, options.owner)),
        since=parse_time(options.since) if options.since else None,
    )


def _is_incomplete(report: ImportReport) -> bool:
    names = ("no_room", "unreadable", "missing", "different")
    return any(report.sum(name) for name in names)


def print_report(report: ImportReport, options: argparse.Namespace) -> None:
    """Print the numbers of each archive, and of all together."""
    if options.json:
        print(json.dumps(_as_json(report), ensure_ascii=False))
        return
    would = "would be " if options.dry_run else ""
    for owner, numbers in sorted(report.owners.items())[:LISTED_MAX]:
        added = count_of(numbers.added, "message")
        parts = [f"{added} {would}added", f"{numbers.present:,} present"]
        parts += [
            f"{count:,} {text}"
            for count, text in (
                (numbers.no_room, "refused: the archive has newer messages (--behind)"),
                (numbers.not_served, "skipped: the domain is not served here"),
                (numbers.unreadable, "unreadable"),
                (numbers.missing, "MISSING"),
                (numbers.different, "DIFFERENT"),
            )
            if count
        ]
        span = ""
        if numbers.first_at is not None:
            span = f", {format_if_known(numbers.first_at)} to {format_if_known(numbers.last_at)}"
        print(f"{owner or '(unknown owner)'}: {', '.join(parts)}{span}")
    if len(report.owners) > LISTED_MAX:
        print(f"... and {count_of(len(report.owners) - LISTED_MAX, 'other archive')}")
    for record in report.named:
        print(f"unreadable: {record.owner} {record.where}: {record.reason}", file=sys.stderr)
    print(_summary(report, options))


def _summary(report: ImportReport, options: argparse.Namespace) -> str:
    added = count_of(report.sum("added"), "message")
    archives = count_of(report.changed, "archive")
    verb = "would be" if options.dry_run else "was" if report.sum("added") == 1 else "were"
    parts = [f"{added} {verb} added to {archives}, {_were(report.sum('present'))} there already."]
    if report.is_resumed:
        parts.append("The import went on where the last one stopped.")
    if report.preferences:
        parts.append(f"Preferences of {count_of(report.preferences, 'user')} were set.")
    if count := report.sum("no_room"):
        parts.append(
            f"{count_of(count, 'message')} refused: their archives have newer messages, and no "
            "room before them; --behind puts them behind these."
        )
    if count := report.sum("not_served"):
        parts.append(
            f"{count_of(count, 'message')} skipped, because neither xmpp.hosts nor "
            "archive.room_services has their domain."
        )
    if count := report.sum("unreadable"):
        parts.append(f"{count_of(count, 'record')} cannot be read.")
    if not (options.dry_run or options.no_verify):
        missing, different = report.sum("missing"), report.sum("different")
        parts.append(
            f"Verification: {count_of(missing, 'message')} missing, {different:,} different."
            if missing or different
            else "Verified: nothing is missing."
        )
    return " ".join(parts)


def _were(number: int) -> str:
    return f"{number:,} {'was' if number == 1 else 'were'}"


def _as_json(report: ImportReport) -> dict[str, Any]:
    return {
        "resumed": report.is_resumed,
        "preferences": report.preferences,
        "owners": {
            owner: {
                "added": numbers.added,
                "present": numbers.present,
                "no_room": numbers.no_room,
                "unreadable": numbers.unreadable,
                "not_served": numbers.not_served,
                "missing": numbers.missing,
                "different": numbers.different,
                "first": format_if_known(numbers.first_at),
                "last": format_if_known(numbers.last_at),
            }
            for owner, numbers in report.owners.items()
        },
        "unreadable": [
            {"owner": record.owner, "where": record.where, "reason": record.reason}
            for record in report.named
        ],
    }
