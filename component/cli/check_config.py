"""`muniment check-config`: print one line for each check."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from component import logs
from component.cli.colours import Colour, painted
from component.cli.exit_codes import CONFIG_WRONG, FAILED, OK, UNREACHABLE
from component.cli.parsers import Parsers, add_json
from component.config import Config
from component.core.doctor.checks import SERVER
from component.core.doctor.finding import Severity

if TYPE_CHECKING:
    from component.handlers.functions import Handlers

#: Takes the verdict of a check, and what was seen.
Add = Callable[[str, str], None]

NAME = "check-config"

PACKAGES = ("component", "storage")

#: The words that lines begin with.
VERDICTS = {
    Severity.OK: "ok",
    Severity.SKIPPED: "ok",
    Severity.WARNING: "warn",
    Severity.ERROR: "bad",
}


COLOURS = {"ok": Colour.GREEN, "warn": Colour.YELLOW, "bad": Colour.RED}


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        parents=[common],
        help="check the configuration and print one line for each check",
        description="Check the configuration, the store, ejabberd and the HTTP ports, and print "
        "one line for each check.",
        examples=(
            "muniment check-config --offline",
            "muniment check-config --live --config /etc/muniment/muniment.toml",
        ),
    )
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument(
        "--offline",
        action="store_true",
        help="do not check the store, ejabberd and the HTTP ports",
    )
    depth.add_argument(
        "--login",
        action="store_true",
        help="also connect to ejabberd as the component, to check xmpp.secret; use this only "
        "while no Muniment runs with this JID, because ejabberd would revoke its privileges",
    )
    depth.add_argument(
        "--live",
        action="store_true",
        help="also examine what ejabberd grants and does, as muniment doctor does",
    )
    add_json(parser)


class Report:
    """The checks that were made: each is printed at once, or all of them as JSON at the end."""

    def __init__(self, *, in_json: bool) -> None:
        self._in_json = in_json
        self._checks: list[dict[str, str]] = []

    def add(self, verdict: str, text: str) -> None:
        """Add a check; `verdict` is ok, warn or bad."""
        if self._in_json:
            self._checks.append({"verdict": verdict, "text": text})
        else:
            print(f"{painted(f'{verdict:<3}', COLOURS[verdict])} {text}", flush=True)

    def end(self, code: int) -> int:
        """Print what was not printed, and return the exit code."""
        if self._in_json:
            print(json.dumps({"checks": self._checks, "exit_code": code}, ensure_ascii=False))
        return code


def run(path: Path | None, config: Config, options: argparse.Namespace) -> int:
    """Print the checks, and return an exit code."""
    report = Report(in_json=options.json)
    return report.end(asyncio.run(_check(path, config, options, report.add)))


def refuse(problems: Iterable[str], *, in_json: bool) -> int:
    """Print that the configuration is wrong, and return an exit code."""
    report = Report(in_json=in_json)
    for problem in problems:
        report.add("bad", problem)
    return report.end(CONFIG_WRONG)


async def _check(
    path: Path | None, config: Config, options: argparse.Namespace, report: Add
) -> int:
    # The report is on standard output, so only warnings are logged.
    logs.setup("warning", "text")
    report("ok", f"configuration: {path or 'from the environment'}")
    for line in config.described():
        report("ok", line)
    for warning in config.warnings:
        report("warn", warning)
    conflicts = list(package_conflicts())
    for conflict in conflicts:
        report("bad", conflict)
    if not conflicts:
        report("ok", "packages: component and storage are Muniment's own")
    handlers = await asyncio.to_thread(_check_handlers, config, report)
    is_reachable = options.offline or await _check_parts(config, handlers, options, report)
    if handlers is None:
        return CONFIG_WRONG
    if conflicts:
        return FAILED
    return OK if is_reachable else UNREACHABLE


def package_conflicts() -> Iterator[str]:
    """Yield a line for each package of ours that another distribution has installed as well.

    An editable installation installs no package, so it has no conflict.
    """
    owners: dict[str, set[str]] = {package: set() for package in PACKAGES}
    for distribution in distributions():
        for package in _installed_by(distribution):
            owners[package].add(distribution.name)
    for package, names in owners.items():
        if len(names) > 1:
            yield (
                f"package {package} comes from {', '.join(sorted(names))}: "
                "install Muniment in an environment of its own"
            )


def _installed_by(distribution: Distribution) -> list[str]:
    """Return the names in PACKAGES that a distribution has installed."""
    # This runs at each start. Searching the text of both lists takes a fraction of the time in
    # which importlib parses them.
    named = (distribution.read_text("top_level.txt") or "").split()
    files = f"\n{distribution.read_text('RECORD') or ''}"
    return [package for package in PACKAGES if package in named or f"\n{package}/" in files]


def _check_handlers(config: Config, report: Add) -> Handlers | None:
    """Import the operator's module, and report its functions or its mistakes.

    Return its functions, None if it has mistakes.
    """
    from component.handlers.loading import HandlersError
    from component.wiring import settings

    try:
        handlers = settings.handlers(config)
    except HandlersError as error:
        for problem in error.problems:
            report("bad", f"handlers.module: {problem}")
        return None
    if handlers.names:
        report("ok", f"handlers: {handlers.module} has {', '.join(handlers.names)}")
    return handlers


async def _check_parts(
    config: Config, handlers: Handlers | None, options: argparse.Namespace, report: Add
) -> bool:
    """Try the store, ejabberd and the HTTP port; return whether all of them answered."""
    from component.handlers.functions import Handlers
    from component.wiring.doctor.checks import checks
    from component.wiring.doctor.running import NotExamined

    is_reachable = True
    try:
        async for finding in checks(
            config, handlers or Handlers(), login=options.login, live=options.live
        ):
            # Findings about this machine begin with the part that they are about.
            report(
                VERDICTS[finding.severity], finding.line if finding.id in SERVER else finding.seen
            )
            is_reachable = is_reachable and finding.severity is not Severity.ERROR
    except NotExamined as error:
        report("bad", str(error))
        return False
    return is_reachable
