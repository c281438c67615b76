"""`muniment ejabberd-config`: print the options of ejabberd.yml that go with the configuration."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from component.cli.exit_codes import CONFIG_WRONG, OK
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.config import Config
from component.config.ejabberd_yml import (
    Source,
    Unprintable,
    Version,
    blocks,
    merged,
    notes,
    text,
    version,
)
from component.config.loader import secret_place

NAME = "ejabberd-config"


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="print the options of ejabberd.yml that go with this configuration",
        description="Print the options of ejabberd.yml that go with this configuration, for a "
        "release of ejabberd. Secrets are not printed: a comment says where each one is.",
        examples=(
            "muniment ejabberd-config 26.07",
            "muniment ejabberd-config 23.10 --extauth > /etc/ejabberd/muniment.yml",
        ),
    )
    parser.add_argument("version", type=release, metavar="VERSION", help="such as 26.07")
    parser.add_argument(
        "--extauth",
        action="store_true",
        help="let Muniment say who may log in, by external authentication",
    )
    add_json(parser)


def print_options(path: Path | None, config: Config, chosen: argparse.Namespace) -> int:
    """Print the options, and return an exit code."""
    source = Source(
        config,
        component_secret=secret_place(path, os.environ, "xmpp.secret"),
        extauth_program=_extauth_program(path) if chosen.extauth else None,
    )
    try:
        parts = blocks(chosen.version, source)
    except Unprintable as error:
        return fail(str(error), CONFIG_WRONG, in_json=chosen.json)
    introduction = notes(chosen.version, source)
    if chosen.json:
        comments = [*introduction, *(block.comment for block in parts if block.comment)]
        print(json.dumps({"options": merged(parts), "notes": comments}, ensure_ascii=False))
    else:
        print(text(parts, introduction), end="")
    return OK


def release(name: str) -> Version:
    """Return a release from an argument. Raises ArgumentTypeError."""
    try:
        return version(name)
    except Unprintable as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _extauth_program(path: Path | None) -> str:
    """Return the command line by which ejabberd starts `muniment extauth`."""
    installed = Path(sys.executable).with_name("muniment")
    command = [str(installed) if installed.exists() else "muniment", "extauth"]
    return shlex.join(command + (["--config", str(path.absolute())] if path else []))
