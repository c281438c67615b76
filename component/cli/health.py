"""`muniment health`: ask the running program whether it can do its work."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from typing import Any

from component.cli.colours import Colour, painted
from component.cli.exit_codes import FAILED, OK, UNREACHABLE
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.config import Http

NAME = "health"


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="ask the running program whether it can do its work",
        description="Ask the running program for GET /health/ready, and print each of its parts. "
        "The exit code is 0 if all parts can do their work, so it fits the health check of a "
        "container.",
        examples=("muniment health", "muniment health --json"),
    )
    add_json(parser)


def run(options: argparse.Namespace, http: Http) -> int:
    """Print the health of each part, and return an exit code."""
    # Imported here, so that --help does not wait for it.
    from component.clients.muniment_http import NotRunning

    try:
        parts = asyncio.run(_ask(http))
    except NotRunning as error:
        return fail(str(error), UNREACHABLE, in_json=options.json)
    is_ready = all(part["ok"] for part in parts.values())
    status = "ready" if is_ready else "unready"
    if options.json:
        print(json.dumps({"status": status, "parts": parts}, ensure_ascii=False))
    else:
        for name, part in parts.items():
            print(_line(name, part))
        print(status)
    return OK if is_ready else FAILED


async def _ask(http: Http) -> dict[str, dict[str, Any]]:
    from component.clients.muniment_http import Client
    from component.wiring.running_program import client_settings

    async with Client(client_settings(http)) as client:
        return await client.health()


def _line(name: str, part: Mapping[str, Any]) -> str:
    verdict = painted("ok ", Colour.GREEN) if part["ok"] else painted("bad", Colour.RED)
    details = [f"{key} {_shown(value)}" for key, value in part.items() if key != "ok" and value]
    return f"{verdict} {name}{': ' if details else ''}{', '.join(details)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, dict):
        return str(value.get("check", value))
    return str(value)
