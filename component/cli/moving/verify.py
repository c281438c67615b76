"""`muniment verify [FILE]`: check that a store contradicts itself nowhere."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from component.cli.exit_codes import FAILED, OK
from component.cli.moving.progress import progress_bar
from component.config import Config
from component.core.wording import count_of

if TYPE_CHECKING:
    from storage.postgres.options import PostgresOptions

    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]

NAME = "verify"


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="check the store, or a backup of it, also while Muniment runs",
        description="Check the pages of the file, and that counters, sequences, conversations and "
        "the index agree with the messages. Nothing is changed. The exit code is 0 if there is no "
        "fault.",
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="a backup (default: the store of the configuration)",
    )


def run(config: Config, options: argparse.Namespace) -> int:
    """Verify, print the faults, and return an exit code."""
    url = config.storage.url if options.file is None else f"sqlite:{options.file}"
    return asyncio.run(verify(config, url))


async def verify(config: Config, url: str) -> int:
    """Verify the store at a URL, print the faults, and return an exit code."""
    from component.wiring import settings
    from storage.errors import StorageError

    try:
        faults, count = await _faults(url, settings.postgres(config))
    except StorageError as error:
        print(f"muniment: {error}", file=sys.stderr)
        return FAILED
    for fault in faults:
        print(fault)
    name = url.removeprefix("sqlite:").partition("?")[0]
    if faults:
        print(f"{name}: {count_of(len(faults), 'fault')}.")
        return FAILED
    print(f"{name}: no fault in {count_of(count, 'message')}.")
    return OK


async def _faults(url: str, options: PostgresOptions) -> tuple[list[str], int]:
    from storage.open import open_read_only
    from storage.sql.moving import verification

    async with open_read_only(url, options) as (_, side), side.snapshot() as connection:
        count = await verification.messages(connection)
        faults = list(await side.tables.check(connection))
        if faults:
            return faults, count
        with progress_bar("Verify", count) as advance:
            found = await verification.faults(connection, side.tables, advance)
    return [f"{fault.where}: {fault.what}" for fault in found], count
