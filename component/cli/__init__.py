"""The command `muniment`: parse arguments, run a subcommand, return an exit code."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from component import __version__, logs
from component.cli import (
    check_config,
    commands,
    doctor,
    ejabberd_config,
    health,
    init,
    permissions,
    push_key,
    token_key,
)
from component.cli.check_config import package_conflicts
from component.cli.exit_codes import CONFIG_WRONG, FAILED, INTERRUPTED, USAGE
from component.cli.failures import fail, fail_all
from component.cli.help import MainParser
from component.cli.moving import backup, compare, copy_store, import_archives, verify
from component.cli.parsers import Parsers, WrongUsage, add_json, common_options
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
    given = sys.argv[1:] if arguments is None else arguments
    try:
        options = parser().parse(given)
    except WrongUsage as error:
        in_json = "--json" in given
        if not in_json:
            print(error.usage, end="", file=sys.stderr)
        raise SystemExit(fail(error.message, USAGE, in_json=in_json)) from None
    path = getattr(options, "config", None) or _find(os.environ)
    try:
        code = _run(options, path)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return fail("Interrupted.", INTERRUPTED, in_json=options.json)
    except BrokenPipeError:
        # The reader closed the pipe. Python would print an error at exit, because it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(options: argparse.Namespace, path: Path | None) -> int:
    if options.command == init.NAME:
        return init.run(options)
    if options.command == "extauth":
        return _extauth(path, in_json=options.json)
    if options.command in commands.NAMES or options.command == health.NAME:
        return _command(options, path)
    try:
        config = load(path, os.environ)
    except ConfigError as error:
        if options.command == "doctor":
            return doctor.refuse(_problems(path, error), in_json=options.json)
        problems = _problems(path, error)
        if options.command == check_config.NAME:
            return check_config.refuse(problems, in_json=options.json)
        return fail_all(problems, CONFIG_WRONG, in_json=options.json)
    return _run_configured(options, path, config)


def _run_configured(options: argparse.Namespace, path: Path | None, config: Config) -> int:
    match options.command:
        case ejabberd_config.NAME:
            return ejabberd_config.print_options(path, config, options)
        case permissions.NAME:
            return _permissions(config, options)
        case check_config.NAME:
            return check_config.run(path, config, options)
        case "doctor":
            return doctor.run(path, config, options)
        case token_key.NAME:
            return token_key.run(config, options)
        case push_key.NAME:
            return push_key.run(config, options)
    if options.command in MOVING:
        return MOVING[options.command](config, options)
    return _serve(
        config,
        lambda: load(path, os.environ),
        take_over=options.take_over,
        in_json=options.json,
    )


def parser() -> MainParser:
    """Return the parser of the command."""
    made = MainParser(
        prog="muniment",
        description="Message archive and remote-data component for ejabberd.",
    )
    made.add_argument("--version", action="version", version=f"muniment {__version__}")
    parsers = made.add_subcommands("command", "COMMAND")
    common = common_options()
    init.add_parser(parsers)
    _add_programs(parsers, common)
    for module in (token_key, push_key, check_config, doctor, ejabberd_config, permissions):
        module.add_parser(parsers, common)
    for moving in (import_archives, compare, copy_store, backup, verify):
        moving.add_parser(parsers, common)
    health.add_parser(parsers, common)
    commands.add_parsers(parsers, common)
    return made


def _add_programs(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parsers of the commands that run until they are stopped."""
    serving = parsers.add_parser(
        "serve",
        parents=[common],
        help="run until stopped by a signal",
        description="Run until stopped by a signal. SIGTERM and SIGINT stop the program, SIGHUP "
        "has it read the configuration again.",
        examples=(
            "muniment serve",
            "muniment serve --config /etc/muniment/muniment.toml --take-over",
        ),
    )
    serving.add_argument(
        "--take-over",
        action="store_true",
        help="take over from the process that runs on the same store, without losing a message",
    )
    extauth = parsers.add_parser(
        "extauth",
        parents=[common],
        help="authenticate users for ejabberd, which starts this command",
        description="Authenticate users for ejabberd, which starts this command as its "
        "extauth_program and talks to it over pipes.",
        examples=("muniment extauth --config /etc/muniment/muniment.toml",),
    )
    for program in (serving, extauth):
        add_json(program, "log JSON, as with log.format = json")


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


def _extauth(path: Path | None, *, in_json: bool) -> int:
    from component.extauth import run

    # extauth reads the configuration itself, and keeps running if it is wrong.
    logs.setup("info", "json" if in_json else "text")
    return asyncio.run(run(lambda: load_http(path, os.environ)))


def _command(options: argparse.Namespace, path: Path | None) -> int:
    try:
        http = load_http(path, os.environ)
    except ConfigError as error:
        return fail_all(_problems(path, error), CONFIG_WRONG, in_json=options.json)
    if options.command == health.NAME:
        return health.run(options, http)
    return commands.run(options, http)


def _serve(config: Config, read: Callable[[], Config], *, take_over: bool, in_json: bool) -> int:
    # Modules are never freed, and collecting garbage among them takes a seventh of the start time.
    gc.disable()
    # Imported here, so that neither --help nor the report of a wrong configuration waits for it.
    import uvloop

    from component.wiring.app import serve

    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()
    sys.setswitchinterval(SWITCH_SECONDS)

    logs.setup(config.log.level, "json" if in_json else config.log.format)
    for warning in config.warnings:
        log.warning("%s", warning)
    if conflicts := list(package_conflicts()):
        log.error("%s", "; ".join(conflicts))
        return FAILED
    try:
        return uvloop.run(serve(config, read, take_over=take_over))
    except Exception:
        log.exception("stopped by an unexpected error")
        return FAILED
