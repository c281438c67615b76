"""`muniment copy-store SOURCE-URL TARGET-URL`: copy a whole store to the other engine."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from component.cli.exit_codes import FAILED, OK, UNREACHABLE
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.cli.progress import progress_bar
from component.config import Config
from component.core.wording import count_of

if TYPE_CHECKING:
    from storage.postgres.options import PostgresOptions


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
        examples=(
            "muniment copy-store sqlite:/var/lib/muniment/muniment.db "
            "postgresql://muniment@db.example/muniment",
        ),
    )
    url = "sqlite:PATH or postgresql://USER@HOST/DATABASE"
    parser.add_argument("source", metavar="SOURCE-URL", help=url)
    parser.add_argument("target", metavar="TARGET-URL", help=url)
    add_json(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Copy, compare, and return an exit code."""
    from storage.errors import Locked, StorageError

    if options.source == options.target:
        message = "source and target are the same store"
        return fail(message, FAILED, in_json=options.json)
    try:
        return asyncio.run(_copy(config, options))
    except Locked as error:
        message = f"{error}: stop Muniment first (systemctl stop muniment)."
        return fail(message, UNREACHABLE, in_json=options.json)
    except (StorageError, ValueError) as error:
        return fail(str(error), FAILED, in_json=options.json)


async def _copy(config: Config, options: argparse.Namespace) -> int:
    from storage.open import open_side
    from storage.sql.moving.copying import StoreCopy

    async with (
        open_side(options.source, options=_postgres(config)) as source,
        open_side(options.target, options=_postgres(config)) as target,
    ):
        copy = StoreCopy(source, target)
        total, is_resumed = await copy.prepare()
        if is_resumed and not options.json:
            print("An earlier copy goes on.", file=sys.stderr)
        with progress_bar("Copy", total) as bar:
            await copy.run(bar.advance)
        with progress_bar("Compare", total) as bar:
            differences = await copy.compare(bar.advance)
        if not differences:
            await copy.finish()
    if options.json:
        data = {
            "rows": total,
            "resumed": is_resumed,
            "differences": [asdict(difference) for difference in differences],
        }
        print(json.dumps(data, ensure_ascii=False))
        return FAILED if differences else OK
    for difference in differences:
        print(f"{difference.table} differs, {difference.where}", file=sys.stderr)
    if differences:
        message = "The copy is not the same: remove it, and copy again."
        return fail(message, FAILED, in_json=False)
    print(f"{count_of(total, 'row')} copied. Both stores have the same rows.")
    return OK


def _postgres(config: Config) -> PostgresOptions:
    from component.wiring import settings

    options = settings.postgres(config, alone=True)
    return replace(options, password=os.environ.get(PASSWORD) or options.password)
