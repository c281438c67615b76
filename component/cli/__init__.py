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
from component.cli import (
    commands,
    doctor,
    ejabberd_config,
    init,
    permissions,
    push_key,
    token_key,
)
from component.cli.check_config import check, package_conflicts, report
from component.cli.exit_codes import CONFIG_WRONG, EXIT_CODES, FAILED, INTERRUPTED
from component.cli.moving import backup, compare, copy_store, import_archives, verify
from component.config import Config, ConfigError, load, load_http

PLACES = (Path("muniment.toml"), Path("/etc/muniment/muniment.toml"))

#: When garbage is collected (gc.set_threshold). A full collection visits the objects of all
#: sessions and polls: with 500 and 2,000 of them everything stops for 0.15 s. With Python's
#: defaults this happens every ten seconds, because each new poll of a client counts as growth.
COLLECT_AFTER = (10_000, 10, 10)

#: Seconds that a thread waits for the interpreter lock before another thread must release it. The
#: thread of the store needs the lock for each step, and under load the event loop holds it most of
#: the time. Python's default is ten times as long.
SWITCH_SECONDS = 0.0005

#: Commands that work on the store themselves.
MOVING = {
    import_archives.NAME: import_archives.run,
    compare.NAME: compare.run,
    copy_store.NAME: copy_store.run,
    backup.NAME: backup.run,
    verify.NAME: verify.run,
}

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parser().parse_args(arguments)
    path = getattr(options, "config", None) or _find(os.environ)
    try:
        code = _run(options, path)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe. Python would print an error at exit, because it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(options: argparse.Namespace, path: Path | None) -> int:
    if options.command == init.NAME:
        return init.run(options)
    if options.command == "extauth":
        return _extauth(path)
    if options.command in commands.BY_NAME:
        return _command(options, path)
    try:
        config = load(path, os.environ)
    except ConfigError as error:
        if options.command == "doctor":
            return doctor.refuse(_problems(path, error), in_json=options.json)
        return _refuse(path, error, checking=options.command == "check-config")
    return _run_configured(options, path, config)


def _run_configured(options: argparse.Namespace, path: Path | None, config: Config) -> int:
    match options.command:
        case ejabberd_config.NAME:
            return ejabberd_config.print_options(path, config, options)
        case permissions.NAME:
            return _permissions(config, options)
        case "check-config":
            offline, login, live = options.offline, options.login, options.live
            return asyncio.run(check(path, config, offline=offline, login=login, live=live))
        case "doctor":
            return doctor.run(path, config, options)
        case "token-key":
            return token_key.run(config)
        case "push-key":
            return push_key.run(config)
    if options.command in MOVING:
        return MOVING[options.command](config, options)
    return _serve(config, take_over=options.take_over)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        prog="muniment",
        description="Message archive and remote-data component for ejabberd.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"muniment {__version__}")
    parsers = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="PATH", help="the configuration file")
    init.add_parser(parsers)
    serving = parsers.add_parser("serve", parents=[common], help="run until stopped by a signal")
    serving.add_argument(
        "--take-over",
        action="store_true",
        help="take over from the process that runs on the same store, without losing a message",
    )
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
    parsers.add_parser(
        "push-key",
        parents=[common],
        help="create the key of Web Push, and print its public part",
    )
    check_config = parsers.add_parser(
        "check-config",
        parents=[common],
        help="check the configuration and print one line for each check",
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
        help="also connect to ejabberd as the component, to check xmpp.secret; use this only "
        "while no Muniment runs with this JID, because ejabberd would revoke its privileges",
    )
    depth.add_argument(
        "--live",
        action="store_true",
        help="also examine what ejabberd grants and does, as muniment doctor does",
    )
    doctor.add_parser(parsers, common)
    ejabberd_config.add_parser(parsers, common)
    permissions.add_parser(parsers, common)
    for moving in (import_archives, compare, copy_store, backup, verify):
        moving.add_parser(parsers, common)
    commands.add_parsers(parsers, common)
    return made


def _permissions(config: Config, options: argparse.Namespace) -> int:
    # Wiring imports libraries that other commands do not need.
    from component.wiring.ejabberd_api import permissions as configured
    from component.xmpp.connection.addresses import Addresses

    return permissions.run(configured(config, Addresses()), config, options)


def _find(environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file if --config is not given, or None if there is no file."""
    if named := environ.get("MUNIMENT_CONFIG"):
        return Path(named)
    return next(filter(_exists, PLACES), None)


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        # This user may not enter the folder. An absolute path is read anyway, so that the error is
        # reported. A relative path is skipped: the working directory may be that of root, for a
        # command that runs as another user.
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

    # extauth reads the configuration itself, and keeps running if it is wrong.
    logs.setup("info", "text")
    return asyncio.run(run(lambda: load_http(path, os.environ)))


def _command(options: argparse.Namespace, path: Path | None) -> int:
    try:
        http = load_http(path, os.environ)
    except ConfigError as error:
        return _refuse(path, error, checking=False)
    return commands.run(options, http)


def _serve(config: Config, *, take_over: bool) -> int:
    # Modules are never freed, and collecting garbage among them takes a seventh of the start time.
    gc.disable()
    # Imported here, so that neither --help nor the report of a wrong configuration waits for it.
    import uvloop

    from component.wiring.app import serve

    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()
    sys.setswitchinterval(SWITCH_SECONDS)

    logs.setup(config.log.level, config.log.format)
    for warning in config.warnings:
        log.warning("%s", warning)
    if conflicts := list(package_conflicts()):
        log.error("%s", "; ".join(conflicts))
        return FAILED
    try:
        return uvloop.run(serve(config, take_over=take_over))
    except Exception:
        log.exception("stopped by an unexpected error")
        return FAILED
