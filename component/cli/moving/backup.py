"""`muniment backup FILE`: copy a store in SQLite into a new file, and verify the copy."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from component.cli.exit_codes import FAILED, OK
from component.cli.failures import fail
from component.cli.moving import verify
from component.cli.parsers import Parsers, add_json
from component.cli.progress import progress_bar
from component.config import Config

NAME = "backup"

SQLITE = "sqlite:"


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="copy the archive in SQLite into a new file, also while Muniment runs",
        description="Copy the store as it is at one moment into a new file, which only this user "
        "can read, and verify the copy. Muniment may run. A store in PostgreSQL is backed up by "
        "pg_dump or pgBackRest.",
        examples=(
            "muniment backup /var/backups/muniment/2026-01-31.db",
            "muniment backup copy.db --no-verify --json",
        ),
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file")
    parser.add_argument("--no-verify", action="store_true", help="do not verify the copy")
    add_json(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Copy and verify, and return an exit code."""
    from storage.errors import StorageError
    from storage.sqlite.backup import back_up

    if config.storage.is_postgresql:
        return fail(
            "this store is in PostgreSQL: back up its database with pg_dump or pgBackRest "
            "(docs/postgresql.md)",
            FAILED,
            in_json=options.json,
        )
    with progress_bar("Back up", None) as bar:
        try:
            back_up(
                config.storage.url.removeprefix(SQLITE),
                options.file,
                lambda remaining, total: bar.set(total - remaining, total),
            )
        except StorageError as error:
            return fail(str(error), FAILED, in_json=options.json)
    if not options.no_verify:
        url = f"{SQLITE}{options.file}"
        return asyncio.run(verify.verify(config, url, in_json=options.json))
    if options.json:
        data = {"store": str(options.file), "verified": False}
        print(json.dumps(data, ensure_ascii=False))
    else:
        print(f"{options.file} is a copy of the archive; it was not verified.")
    return OK
