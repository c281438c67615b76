"""`muniment export-person`: write all that Muniment has about a user to a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from component.cli import export
from component.cli.parsers import Parsers

if TYPE_CHECKING:
    from component.clients.muniment_http import Answer, Client

NAME = "export-person"

#: Between two pieces: the program may read a large room that has no message of the user.
TIMEOUT_SECONDS = 600.0


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="export all that Muniment has about a user",
        description="Ask the running program for all that it has about a user, and write it to a "
        "ZIP file: the messages, the account, the roster, the preferences, the profile, the "
        "memberships, the sign-ins without their secrets, the subscriptions, and the entries of "
        "the audit log. ejabberd may have more.",
        examples=("muniment export-person alice@chat.example --output alice.zip",),
    )
    parser.add_argument("owner", metavar="JID", help="the user, like alice@chat.example")
    export.add_arguments(parser)


async def export_person(client: Client, options: argparse.Namespace) -> Answer:
    """Write the file and return the answer. Raises NotRunning, NotWritten, NoFile."""
    return await export.download(client, options, "personal-data", timeout_seconds=TIMEOUT_SECONDS)
