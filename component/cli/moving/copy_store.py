"""`muniment copy-store SOURCE-URL TARGET-URL`: copy a whole store to the other engine."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING

from component.cli.exit_codes import FAILED, OK, UNREACHABLE
from component.cli.moving.progress import progress_bar
from component.config import Config
from component.core.wording import count_of

if TYPE_CHECKING:
    from storage.postgres.options import PostgresOptions

    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]

NAME = "copy-store"

#: The password of a PostgreSQL that is not the one of the configuration.
PASSWORD = "SOURCE_PASSWORD"  # noqa: S105 - the name of a variable


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="copy the whole store from SQLite to PostgreSQL, or back",
        description="Copy a whole store into a new one, and compare both. All ids stay. Muniment "
        "must use neither meanwhile. A copy that was interrupted goes on where it stopped.",
        epilog="The password of PostgreSQL is storage.password of the configuration, or the "
        f"variable {PASSWORD}.",
    )
    url = "sqlite:PATH or postgresql://USER@HOST/DATABASE"
    parser.add_argument("source", metavar="SOURCE-URL", help=url)
    parser.add_argument("target", metavar="TARGET-URL", help=url)


def run(config: Config, options: argparse.Namespace) -> int:
    """Copy, compare, and return an exit code."""
    from storage.errors import Locked, StorageError

    if options.source == options.target:
        print("muniment: source and target are the same store", file=sys.stderr)
        return FAILED
    try:
        return asyncio.run(_copy(config, options.source, options.target))
    except Locked as error:
        print(
            f"muniment: {error}: stop Muniment first (systemctl stop muniment).", file=sys.stderr
        )
        return UNREACHABLE
    except (StorageError, ValueError) as error:
        print(f"muniment: {error}", file=sys.stderr)
        return FAILED


async def _copy(config: Config, source_url: str, target_url: str) -> int:
    from storage.open import open_side
    from storage.sql.moving.copying import StoreCopy

    async with (
        open_side(source_url, options=_postgres(config)) as source,
        open_side(target_url, options=_postgres(config)) as target,
    ):
        copy = StoreCopy(source, target)
        total, is_resumed = await copy.prepare()
        if is_resumed:
            print("An earlier copy goes on.", file=sys.stderr)
        with progress_bar("Copy", total) as advance:
            await copy.run(advance)
        with progress_bar("Compare", total) as advance:
            differences = await copy.compare(advance)
        for difference in differences:
            print(f"{difference.table} differs, {difference.where}", file=sys.stderr)
        if differences:
            print("The copy is not the same: remove it, and copy again.", file=sys.stderr)
            return FAILED
        await copy.finish()
    print(f"{count_of(total, 'row')} copied. Both stores have the same rows.")
    return OK


def _postgres(config: Config) -> PostgresOptions:
    from dataclasses import replace

    from component.wiring import settings

    options = settings.postgres(config, alone=True)
    return replace(options, password=os.environ.get(PASSWORD) or options.password)
