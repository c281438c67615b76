"""`muniment push-key`: create the key of Web Push, and print its public part for web clients."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from component.cli.exit_codes import CONFIG_WRONG, FAILED, OK
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.config import Config

NAME = "push-key"


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="create the key of Web Push, and print its public part",
        description="Create the key of Web Push in the file push.key_file, unless there is one, "
        "and print its public part, which web clients need.",
        examples=("muniment push-key", "muniment push-key --json"),
    )
    add_json(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Create the key unless there is one, print its public part, and return an exit code."""
    # Imported here, because the key needs cryptography, which no other command waits for.
    from component.push.web_push import public_key
    from component.wiring import push_key

    if config.push.key_file is None:
        return fail("push.key_file is not set", CONFIG_WRONG, in_json=options.json)
    path = Path(config.push.key_file)
    try:
        key = public_key(push_key.load(path))
    except OSError as error:
        return fail(str(error), FAILED, in_json=options.json)
    if options.json:
        print(json.dumps({"key_file": str(path), "public_key": key}, ensure_ascii=False))
    else:
        print(key)
    return OK
