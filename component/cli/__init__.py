"""The command `muniment`: parse arguments, run a subcommand, return an exit code."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from component import __version__, logs
from component.cli import commands, doctor, token_key
from component.cli.check_config import check, package_conflicts, report
from component.cli.exit_codes import CONFIG_WRONG, EXIT_CODES, FAILED, INTERRUPTED
from component.config import Config, ConfigError, load, load_http

PLACES = (Path("muniment.toml"), Path("/etc/muniment/muniment.toml"))

#: Seconds that a thread waits for the interpreter lock while another thread has it. The thread of
#: the writer needs the lock for each step, while the event loop holds it most of the time under
#: load; the default of Python is ten times as long.
SWITCH_SECONDS = 0.0005

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    path = chosen.config or _find(os.environ)
    try:
        code = _run(chosen, path)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe. Python would print an error at exit, because it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(chosen: argparse.Namespace, path: Path | None) -> int:
    if chosen.command == "extauth":
        return _extauth(path)
    if chosen.command in commands.BY_NAME:
        return _command(chosen, path)
    try:
        config = load(path, os.environ)
    except ConfigError as error:
        if chosen.command == "doctor":
            return doctor.refuse(_problems(path, error), in_json=chosen.json)
        return _refuse(path, error, checking=chosen.command == "check-config")
    if chosen.command == "check-config":
        return asyncio.run(
            check(path, config, offline=chosen.offline, login=chosen.login, live=chosen.live)
        )
    if chosen.command == "doctor":
        return doctor.run(path, config, chosen)
    if chosen.command == "token-key":
        return token_key.run(config)
    return _serve(config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="muniment",
        description="Message archive and remote-data component for ejabberd.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"muniment {__version__}")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="PATH", help="the configuration file")
    parsers.add_parser("serve", parents=[common], help="run until stopped by a signal")
    parsers.add_parser(
        "extauth",
        parents=[common],
        help="authenticate users for ejabberd, which starts this command",
    )
    parsers.add_parser(
        "token-key",
        parents=[common],
        help="create the key of access tokens, and print the lines for ejabberd.yml",
    )
    check_config = parsers.add_parser(
        "check-config",
        parents=[common],
        help="check the configuration, and print one line for each check",
    )
    depth = check_config.add_mutually_exclusive_group()
    depth.add_argument(
        "--offline",
        action="store_true",
        help="do not check the store, ejabberd and the HTTP ports",
    )
    depth.add_argument(
        "--login",
        action="store_true",
        help="also log in to ejabberd as the component, to check xmpp.secret; use this only while "
        "no Muniment runs under this name, because ejabberd would remove its privileges",
    )
    depth.add_argument(
        "--live",
        action="store_true",
        help="also examine what ejabberd grants and does, as muniment doctor does",
    )
    doctor.add_parser(parsers, common)
    commands.add_parsers(parsers, common)
    return parser


def _find(environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file where --config names none; None if there is no file."""
    if named := environ.get("MUNIMENT_CONFIG"):
        return Path(named)
    return next(filter(_exists, PLACES), None)


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        # This user may not look into the folder. An absolute path is read anyway, so that the
        # error is reported. A relative one is skipped: nobody means a file in a working directory
        # that may not be entered, such as that of root for a command run as another user.
        return place.is_absolute()


def _problems(path: Path | None, error: ConfigError) -> list[str]:
    """Return the problems of a configuration, and that there is no file if there is none."""
    problems = list(error.problems)
    if path is None:
        problems.insert(
            0, "no configuration file found: looked for " + " and ".join(map(str, PLACES))
        )
    return problems


def _refuse(path: Path | None, error: ConfigError, *, checking: bool) -> int:
    for problem in _problems(path, error):
        if checking:
            report("bad", problem)
        else:
            print(f"muniment: {problem}", file=sys.stderr)
    return CONFIG_WRONG


def _extauth(path: Path | None) -> int:
    from component.extauth import run

    # It reads the configuration itself, and runs on if that is wrong.
    logs.setup("info", "text")
    return asyncio.run(run(lambda: load_http(path, os.environ)))


def _command(chosen: argparse.Namespace, path: Path | None) -> int:
    try:
        http = load_http(path, os.environ)
    except ConfigError as error:
        return _refuse(path, error, checking=False)
    return commands.run(chosen, http)


def _serve(config: Config) -> int:
    # Imported modules stay; collecting garbage among them takes a seventh of the start time.
    gc.disable()
    # Imported here, so that neither --help nor a wrong configuration waits for it.
    import uvloop

    from component.wiring.app import serve

    gc.freeze()
    gc.enable()
    sys.setswitchinterval(SWITCH_SECONDS)

    logs.setup(config.log.level, config.log.format)
    for warning in config.warnings:
        log.warning("%s", warning)
    if conflicts := list(package_conflicts()):
        log.error("%s", "; ".join(conflicts))
        return FAILED
    try:
        return uvloop.run(serve(config))
    except Exception:
        log.exception("stopped by an unexpected error")
        return FAILED
