"""`muniment purge --wait`: follow a purge of the running program until its end."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from component.cli.output import NoOutcome
from component.cli.progress import progress_bar
from component.core.retention.purge import State

if TYPE_CHECKING:
    from component.clients.muniment_http import Client

NAME = "purge"

#: Between two looks at the progress.
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Purge:
    """A purge that has ended, or that another one followed before it was seen to end."""

    fields: Mapping[str, Any]

    @property
    def is_done(self) -> bool:
        """Whether it deleted all that it should."""
        return self.fields.get("state") == State.DONE

    @property
    def outcome(self) -> dict[str, Any]:
        """The outcome of the command."""
        message = "The purge is done." if self.is_done else "The purge was not completed."
        return {"message": message, "values": {}, "rows": [dict(self.fields)]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the option to wait."""
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for the end, with a progress bar on a terminal, and print what was freed; an "
        "interruption of this command does not end the purge",
    )


async def wait(client: Client, begun: Any) -> Purge:
    """Return a purge at its end; `begun` is the outcome that started it.

    Raises NotRunning, NoOutcome.
    """
    try:
        started = begun["rows"][0]["started"]
        with progress_bar("Purge", None) as bar:
            while True:
                answer = await client.ask("GET", "v1", "purges")
                current, last = answer.data["current"], answer.data["last"]
                if current is None or current["started"] != started:
                    return Purge(last)
                bar.set(current["archives_done"], current["archives"])
                await asyncio.sleep(POLL_SECONDS)
    except (KeyError, TypeError, IndexError) as error:
        raise NoOutcome from error
