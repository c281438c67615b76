"""The command: reads arguments, calls what does the work, turns the outcome into an exit code."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

from component import __version__, logs
from component.config import Config, ConfigError, load

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 75
CONFIG_WRONG = 78
INTERRUPTED = 130

EXIT_CODES = f"""\
exit codes:
  {OK:<4} done
  {FAILED:<4} failed; the log says why
  {USAGE:<4} the command line is wrong
  {UNREACHABLE:<4} check-config: what the configuration names does not answer or refuses
  {CONFIG_WRONG:<4} the configuration is wrong, or ejabberd refuses it; trying again is of no use
  {INTERRUPTED:<4} interrupted from the keyboard before it was up

The configuration is the file given by --config, or else by $MUNIMENT_CONFIG, or else
./muniment.toml, or else /etc/muniment/muniment.toml. Variables named MUNIMENT_SECTION__KEY
override it.
"""

PLACES = (Path("muniment.toml"), Path("/etc/muniment/muniment.toml"))
PACKAGES = ("component", "storage")

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    path = chosen.config or _found(os.environ)
    try:
        config = load(path, os.environ)
    except ConfigError as error:
        return _refuse(path, error, checking=chosen.command == "check-config")
    if chosen.command == "check-config":
        return asyncio.run(_check(path, config, offline=chosen.offline))
    return _serve(config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="muniment",
        description="Message archive and remote-data component for ejabberd.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"muniment {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="PATH", help="the configuration file")
    commands.add_parser("serve", parents=[common], help="run until stopped by a signal")
    check = commands.add_parser(
        "check-config", parents=[common], help="say what is right and wrong, one line a check"
    )
    check.add_argument(
        "--offline", action="store_true", help="leave out store, ejabberd and HTTP port"
    )
    return parser


def _found(environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file nobody named; None where the environment is all there is."""
    if named := environ.get("MUNIMENT_CONFIG"):
        return Path(named)
    return next(filter(_is_there, PLACES), None)


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        # It is hidden from this user. Reading it says so; passing over it would not.
        return True


def _refuse(path: Path | None, error: ConfigError, *, checking: bool) -> int:
    problems = list(error.problems)
    if path is None:
        problems.insert(0, "no configuration file: looked for " + " and ".join(map(str, PLACES)))
    for problem in problems:
        if checking:
            _tell("bad", problem)
        else:
            print(f"muniment: {problem}", file=sys.stderr)
    return CONFIG_WRONG


def _serve(config: Config) -> int:
    # Imported where it is run: neither --help nor a wrong configuration has to wait for it.
    from component.app import serve

    logs.setup(config.log.level, config.log.format)
    for warning in config.warnings:
        log.warning("%s", warning)
    if collisions := list(_collisions()):
        log.error("%s", "; ".join(collisions))
        return FAILED
    try:
        return asyncio.run(serve(config))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        log.exception("stopped by an error")
        return FAILED


async def _check(path: Path | None, config: Config, *, offline: bool) -> int:
    """Print one line a check; the exit code is that of the first kind of thing that is wrong."""
    # The lines below are the report; of the log only what goes wrong is of interest.
    logs.setup("warning", "text")
    _tell("ok", f"configuration: {path or 'from the environment'}")
    for line in config.described():
        _tell("ok", line)
    for warning in config.warnings:
        _tell("warn", warning)
    collisions = list(_collisions())
    for collision in collisions:
        _tell("bad", collision)
    if not collisions:
        _tell("ok", "packages: component and storage are Muniment's own")
    answered = offline or await _ask(config)
    if collisions:
        return FAILED
    return OK if answered else UNREACHABLE


async def _ask(config: Config) -> bool:
    """Try what the configuration names, and say whether all of it answered."""
    from component.app import checks

    answers = []
    async for good, text in checks(config):
        _tell("ok" if good else "bad", text)
        answers.append(good)
    return all(answers)


def _collisions() -> Iterator[str]:
    """Name the other distributions that installed a package of the same name as ours.

    An editable installation is not listed at all, and collides with nothing.
    """
    installed = packages_distributions()
    for package in PACKAGES:
        owners = set(installed.get(package, []))
        if len(owners) > 1:
            yield (
                f"package {package} comes from {', '.join(sorted(owners))}: "
                "install Muniment in an environment of its own"
            )


def _tell(verdict: str, text: str) -> None:
    print(f"{verdict:<3} {text}", flush=True)
