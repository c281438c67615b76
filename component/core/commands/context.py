"""The parts of the program that commands use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from component.core.accounts.protocol import AccountSource
from component.core.archiving.writer import Queue, Writer
from component.core.commands.link import Link
from component.core.ejabberd_api.own.request import OwnRunner
from component.core.gaps import Gaps
from component.core.hosts import Hosts
from component.core.retention.admin import ArchiveAdmin
from component.core.rosters.service import RosterService
from component.core.xml.jids import Jids

if TYPE_CHECKING:
    # The command line imports this module; tokens need cryptography, which takes a while.
    from component.core.tokens.sign_ins import SignIns

#: Greatest size of an export that fits into the answer to a command.
EXPORT_MAX_BYTES = 256 * 1024

ACCOUNT_PAGE_SIZE = 500


class Connection(Link, Protocol):
    """The connection to the XMPP server."""

    def restart(self) -> None:
        """Close the stream and open it again soon, after the answer to this command is sent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """The parts that a command may use. A command reads the fields that it needs.

    A part for a new family of commands is a new field here.
    """

    hosts: Hosts
    jids: Jids
    archives: ArchiveAdmin
    accounts: AccountSource
    rosters: RosterService
    sign_ins: SignIns | None = None  #: None: users cannot sign in
    queue: Queue  #: messages on their way to the writer; a command that reads waits for them
    writer: Writer
    connection: Connection
    gaps: Gaps  #: of all archives
    #: the commands that Muniment adds to ejabberd's API, by name
    own_commands: Mapping[str, OwnRunner] = field(default_factory=dict)
    timeout: float  #: seconds that the operator waits for the answer to a command
    export_max_bytes: int = EXPORT_MAX_BYTES  #: of an export in an answer
    account_page_size: int = ACCOUNT_PAGE_SIZE  #: number of accounts that are read at once
