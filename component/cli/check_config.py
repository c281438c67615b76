"""`muniment check-config`: print one line for each check."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from component import logs
from component.cli.exit_codes import CONFIG_WRONG, FAILED, OK, UNREACHABLE
from component.config import Config
from component.core.doctor.checks import SERVER
from component.core.doctor.finding import Severity

if TYPE_CHECKING:
    from component.handlers.functions import Handlers

PACKAGES = ("component", "storage")

#: The words that lines begin with.
VERDICTS = {
    Severity.OK: "ok",
    Severity.SKIPPED: "ok",
    Severity.WARNING: "warn",
    Severity.ERROR: "bad",
}


async def check(
    path: Path | None, config: Config, *, offline: bool, login: bool, live: bool
) -> int:
    """Print one line for each check and return an exit code.

    `offline` skips the store, ejabberd and the HTTP ports; `login` also checks xmpp.secret, and
    `live` examines what ejabberd grants.
    """
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
    handlers = await asyncio.to_thread(_check_handlers, config)
    is_reachable = offline or await _check_parts(config, handlers, login=login, live=live)
    if handlers is None:
        return CONFIG_WRONG
    if conflicts:
        return FAILED
    return OK if is_reachable else UNREACHABLE


def report(verdict: str, text: str) -> None:
    """Print one finding; `verdict` is ok, warn or bad."""
    print(f"{verdict:<3} {text}", flush=True)


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


def _check_handlers(config: Config) -> Handlers | None:
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
    config: Config, handlers: Handlers | None, *, login: bool, live: bool
) -> bool:
    """Try the store, ejabberd and the HTTP port; return whether all of them answered."""
    from component.handlers.functions import Handlers
    from component.wiring.doctor.checks import checks
    from component.wiring.doctor.running import NotExamined

    is_reachable = True
    try:
        async for finding in checks(config, handlers or Handlers(), login=login, live=live):
            # Findings about this machine begin with the part that they are about.
            report(
                VERDICTS[finding.severity], finding.line if finding.id in SERVER else finding.seen
            )
            is_reachable = is_reachable and finding.severity is not Severity.ERROR
    except NotExamined as error:
        report("bad", str(error))
        return False
    return is_reachable
