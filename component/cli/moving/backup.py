"""`muniment backup FILE`: copy a store in SQLite into a new file, and verify the copy."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from component.cli.exit_codes import FAILED
from component.cli.moving import verify
from component.cli.moving.progress import progress_bar
from component.config import Config

if TYPE_CHECKING:
    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]

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
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file")
    parser.add_argument("--no-verify", action="store_true", help="do not verify the copy")


def run(config: Config, options: argparse.Namespace) -> int:
    """Copy and verify, and return an exit code."""
    from storage.errors import StorageError
    from storage.sqlite.backup import back_up

    if config.storage.is_postgresql:
        print(
            "muniment: this store is in PostgreSQL: back up its database with pg_dump or "
            "pgBackRest (docs/postgresql.md)",
            file=sys.stderr,
        )
        return FAILED
    with progress_bar("Back up", None) as advance:
        done = 0

        def show(remaining: int, total: int) -> None:
            nonlocal done
            advance(total - remaining - done)
            done = total - remaining

        try:
            back_up(config.storage.url.removeprefix(SQLITE), options.file, show)
        except StorageError as error:
            print(f"muniment: {error}", file=sys.stderr)
            return FAILED
    if options.no_verify:
        print(f"{options.file} is a copy of the archive; it was not verified.")
        return 0
    return asyncio.run(verify.verify(config, f"{SQLITE}{options.file}"))
