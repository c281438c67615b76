"""`muniment check-config`: one line a check, and the packages that could stand in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from component import logs
from component.cli.exits import CONFIG_WRONG, FAILED, OK, UNREACHABLE
from component.config import Config

PACKAGES = ("component", "storage")


async def check(path: Path | None, config: Config, *, offline: bool, login: bool) -> int:
    """Print one line a check; the exit code is that of the first kind of thing that is wrong.

    `offline` asks neither the store nor ejabberd; `login` also tries xmpp.secret.
    """
    # The lines below are the report; of the log only what goes wrong is of interest.
    logs.setup("warning", "text")
    tell("ok", f"configuration: {path or 'from the environment'}")
    for line in config.described():
        tell("ok", line)
    for warning in config.warnings:
        tell("warn", warning)
    found = list(collisions())
    for collision in found:
        tell("bad", collision)
    if not found:
        tell("ok", "packages: component and storage are Muniment's own")
    handled = await asyncio.to_thread(_load_handlers, config)
    answered = offline or await _ask(config, login=login)
    if not handled:
        return CONFIG_WRONG
    if found:
        return FAILED
    return OK if answered else UNREACHABLE


def tell(verdict: str, text: str) -> None:
    """Print what a check has found: ok, warn or bad."""
    print(f"{verdict:<3} {text}", flush=True)


def collisions() -> Iterator[str]:
    """Name the other distributions that installed a package of the same name as ours.

    An editable installation has installed no package at all, and collides with nothing.
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
    """Return those of PACKAGES that a distribution has installed."""
    # The text of the two lists is searched: importlib parses them file by file, which takes
    # several times as long, and every start does this.
    named = (distribution.read_text("top_level.txt") or "").split()
    files = f"\n{distribution.read_text('RECORD') or ''}"
    return [package for package in PACKAGES if package in named or f"\n{package}/" in files]


def _load_handlers(config: Config) -> bool:
    """Import the operator's module, and say what it does in our place, or what is wrong."""
    if not config.handlers.module:
        return True
    from component.handlers.loading import HandlersError
    from component.wiring import settings

    try:
        handlers = settings.handlers(config)
    except HandlersError as error:
        for problem in error.problems:
            tell("bad", f"handlers.module: {problem}")
        return False
    tell("ok", f"handlers: {handlers.module} has {', '.join(handlers.names)}")
    return True


async def _ask(config: Config, *, login: bool) -> bool:
    """Try what the configuration names, and say whether all of it answered."""
    from component.wiring.checks import Verdict, checks

    is_well = True
    async for finding in checks(config, login=login):
        tell(finding.verdict, finding.text)
        is_well = is_well and finding.verdict is not Verdict.BAD
    return is_well
