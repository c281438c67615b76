"""`muniment verify [FILE]`: check that a store contradicts itself nowhere."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from component.cli.exit_codes import FAILED, OK
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.cli.progress import progress_bar
from component.config import Config
from component.core.wording import count_of

if TYPE_CHECKING:
    from storage.postgres.options import PostgresOptions


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
        examples=("muniment verify", "muniment verify /var/backups/muniment/2026-01-31.db --json"),
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="a backup (default: the store of the configuration)",
    )
    add_json(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Verify, print the faults, and return an exit code."""
    url = config.storage.url if options.file is None else f"sqlite:{options.file}"
    return asyncio.run(verify(config, url, in_json=options.json))


async def verify(config: Config, url: str, *, in_json: bool) -> int:
    """Verify the store at a URL, print the faults, and return an exit code."""
    from component.wiring import settings
    from storage.errors import StorageError

    try:
        faults, count = await _faults(url, settings.postgres(config))
    except StorageError as error:
        return fail(str(error), FAILED, in_json=in_json)
    name = url.removeprefix("sqlite:").partition("?")[0]
    if in_json:
        data = {"store": name, "verified": True, "messages": count, "faults": faults}
        print(json.dumps(data, ensure_ascii=False))
        return FAILED if faults else OK
    for fault in faults:
        print(fault)
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
        with progress_bar("Verify", count) as bar:
            found = await verification.faults(connection, side.tables, bar.advance)
    return [f"{fault.where}: {fault.what}" for fault in found], count
