"""`muniment token-key`: create the key of access tokens, and print the lines for ejabberd.yml."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from component.cli.exit_codes import CONFIG_WRONG, FAILED, OK
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.config import Config

NAME = "token-key"


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="create the key of access tokens, and print the lines for ejabberd.yml",
        description="Create the key of access tokens in the file tokens.key_file, unless there is "
        "one, and print the lines of ejabberd.yml by which ejabberd accepts the tokens.",
        examples=("muniment token-key", "muniment token-key --config /etc/muniment/muniment.toml"),
    )
    add_json(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Create the key unless there is one, print the lines, and return an exit code."""
    # Imported here, because tokens need cryptography, which no other command waits for.
    from component.wiring import token_key

    if config.tokens.key_file is None:
        return fail("tokens.key_file is not set", CONFIG_WRONG, in_json=options.json)
    path = Path(config.tokens.key_file)
    try:
        token_key.load(path)
    except OSError as error:
        return fail(str(error), FAILED, in_json=options.json)
    if options.json:
        lines = {"auth_method": ["internal", "jwt"], "jwt_key": str(path)}
        data = {"key_file": str(path), "options": lines}
        print(json.dumps(data, ensure_ascii=False))
        return OK
    print("# ejabberd has to be able to enter the folder of the file, and to read the file:")
    print(f"# chgrp ejabberd {path}; chmod 640 {path}")
    print("auth_method: [internal, jwt]")
    print(f'jwt_key: "{path}"')
    return OK
