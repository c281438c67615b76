"""`muniment init`: write a first muniment.toml, with secrets, and say what to do next."""

from __future__ import annotations

import argparse
import grp
import json
import os
import secrets
import shlex
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from component.cli import ejabberd_config
from component.cli.exit_codes import FAILED, OK, USAGE
from component.cli.failures import fail, fail_all
from component.cli.parsers import Parsers, add_json
from component.config import Config, ConfigError, load
from component.config.ejabberd_yml import (
    NEWEST,
    Source,
    Version,
    blocks,
    merged,
    notes,
    text,
)
from component.config.example import INTRODUCTION, WIDTH
from component.config.example import text as configuration
from component.config.types import CONFIGURATIONS, FILE

NAME = "init"

CONFIGURATION = "muniment.toml"

#: The secrets that are made, by the options that name their files.
SECRETS = {"xmpp.secret": "xmpp-secret", "http.secret": "http-secret"}

#: The unit, the alert rules, the dashboard and the examples, as the wheel installs them.
SHARED = Path(sys.prefix) / "share" / "muniment"

#: Random bytes of a secret; its text has a third more characters.
SECRET_BYTES = 24

#: The virtual host of an ejabberd that Debian has just installed.
DEFAULT_HOST = "localhost"

DESCRIPTION = f"""\
Write {CONFIGURATION} and the secrets that it names into a folder, and print the options of
ejabberd.yml that go with it, and what to do next. A file that exists is never changed: if there
is a {CONFIGURATION}, nothing is done, and a secret that exists is used as it is.
"""

EXAMPLES = (
    "muniment init --host chat.example",
    "muniment init /etc/muniment --host chat.example --host team.example --group muniment",
)


class NotWritten(Exception):
    """No configuration was written; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a new configuration."""

    path: Path  #: of muniment.toml, absolute
    created: tuple[Path, ...]
    kept: tuple[Path, ...]  #: secrets that existed
    config: Config


def add_parser(parsers: Parsers) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        help="write a first muniment.toml with secrets, and print what to do next",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="DIRECTORY",
        help="made if it does not exist (default: the working directory)",
    )
    parser.add_argument(
        "--host",
        action="append",
        metavar="DOMAIN",
        help="virtual host of ejabberd whose messages are archived; may be repeated (default: "
        f"{DEFAULT_HOST})",
    )
    parser.add_argument(
        "--jid",
        metavar="DOMAIN",
        help="domain of the component (default: muniment. before the first host)",
    )
    parser.add_argument(
        "--address", metavar="ADDRESS", help="where ejabberd is (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="the database, as storage.url (default: sqlite:muniment.db in the folder, and "
        f"sqlite:/var/lib/muniment/muniment.db for a folder below {CONFIGURATIONS})",
    )
    parser.add_argument(
        "--group",
        metavar="GROUP",
        help="a group that may read the files (default: only their owner may)",
    )
    parser.add_argument(
        "--ejabberd",
        type=ejabberd_config.release,
        default=NEWEST,
        metavar="VERSION",
        help=f"the release for which options are printed (default: {NEWEST})",
    )
    add_json(parser)


def run(chosen: argparse.Namespace) -> int:
    """Write the files, print what to do with them, and return an exit code."""
    try:
        group = _group(chosen.group)
        written = write(chosen.directory.absolute(), _values(chosen), group)
    except NotWritten as error:
        return fail(str(error), FAILED, in_json=chosen.json)
    except ConfigError as error:
        return fail_all(error.problems, USAGE, in_json=chosen.json)
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}", FAILED, in_json=chosen.json)
    if chosen.json:
        print(json.dumps(_data(written, chosen.ejabberd), ensure_ascii=False))
    else:
        print("\n".join(_report(written, chosen.ejabberd)))
    return OK


def write(folder: Path, values: Mapping[str, object], group: int | None) -> Written:
    """Write a configuration with secrets, all or nothing.

    `group` is the number of a group that may read the files. Raises NotWritten, ConfigError,
    OSError.
    """
    path = folder / CONFIGURATION
    if path.exists():
        raise NotWritten(
            f"{path} exists, and nothing was changed: edit it, or remove it to begin anew"
        )
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        if group is not None:
            os.chown(folder, -1, group)
            folder.chmod(0o750)
        try:
            return _write(path, values, group)
        except BaseException:
            folder.rmdir()
            raise
    return _write(path, values, group)


def _write(path: Path, values: Mapping[str, object], group: int | None) -> Written:
    folder = path.parent
    # The files are complete before they get their names, so that an error leaves nothing.
    with TemporaryDirectory(dir=folder, prefix=".muniment-init-") as name:
        draft = Path(name)
        header = (f"{CONFIGURATION}: the configuration of Muniment.", "", *INTRODUCTION)
        _create(draft / CONFIGURATION, configuration(header, values), group)
        created, kept = [], []
        for file in SECRETS.values():
            if (folder / file).exists():
                kept.append(folder / file)
                _create(draft / file, (folder / file).read_text(), group)
            else:
                created.append(folder / file)
                _create(draft / file, f"{secrets.token_urlsafe(SECRET_BYTES)}\n", group)
        _check(draft, folder)
        for destination in (*created, path):
            # Other than a renaming, a link replaces no file.
            os.link(draft / destination.name, destination)
    return Written(path, (path, *created), tuple(kept), load(path, {}))


def _check(draft: Path, folder: Path) -> None:
    """Load the draft, and raise ConfigError with the places where its files will be."""
    try:
        load(draft / CONFIGURATION, {})
    except ConfigError as error:
        problems = [problem.replace(str(draft), str(folder)) for problem in error.problems]
        raise ConfigError(problems) from None


def _create(path: Path, content: str, group: int | None) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        if group is not None:
            os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), 0o640)
        file.write(content)


def _group(name: str | None) -> int | None:
    """Return the number of a group. Raises NotWritten."""
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise NotWritten(f"there is no group {name}") from None


def _values(chosen: argparse.Namespace) -> dict[str, object]:
    """Return the options that are set, by their full names."""
    hosts = chosen.host or [DEFAULT_HOST]
    values: dict[str, object] = {
        "xmpp.jid": chosen.jid or f"muniment.{hosts[0]}",
        "xmpp.hosts": hosts,
        **{option: f"{FILE}{file}" for option, file in SECRETS.items()},
    }
    if chosen.address:
        values["xmpp.address"] = chosen.address
    if chosen.storage:
        values["storage.url"] = chosen.storage
    elif not chosen.directory.resolve().is_relative_to(CONFIGURATIONS):
        values["storage.url"] = "sqlite:muniment.db"
    return values


def _source(written: Written) -> Source:
    place = f"the content of {written.path.with_name(SECRETS['xmpp.secret'])}"
    return Source(written.config, component_secret=place)


def _next(written: Written, release: Version) -> list[str]:
    """Return what to do next, a sentence for each step."""
    config = f"--config {shlex.quote(str(written.path))}"
    return [
        f"Add the options above to ejabberd.yml. They are for ejabberd {release}; `muniment "
        f"ejabberd-config VERSION {config}` prints those for another release. They may also be in "
        "a file of their own: save them as /etc/ejabberd/muniment.yml, and add the line "
        "`include_config_file: /etc/ejabberd/muniment.yml` to ejabberd.yml.",
        "Replace the password change-me in them by the content of "
        f"{written.path.with_name(SECRETS['xmpp.secret'])}, remove mod_mam, and restart ejabberd.",
        f"Check everything: `muniment check-config {config}`.",
        f"Start Muniment: `muniment serve {config}`, or `systemctl enable --now muniment` if the "
        "service is installed and reads this file.",
        f"Find out what ejabberd does not grant: `muniment doctor {config}`.",
    ]


def _report(written: Written, release: Version) -> list[str]:
    source = _source(written)
    options = text(blocks(release, source), notes(release, source))
    return [
        *(f"created  {path}" for path in written.created),
        *(f"kept     {path}" for path in written.kept),
        "",
        options,
        "What to do next:",
        *(_step(number, step) for number, step in enumerate(_next(written, release), 1)),
        *([f"The unit for systemd and more is in {SHARED}."] if SHARED.exists() else []),
    ]


def _step(number: int, step: str) -> str:
    return textwrap.fill(
        f"{number}. {step}",
        WIDTH,
        subsequent_indent="   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _data(written: Written, release: Version) -> dict[str, object]:
    source = _source(written)
    parts = blocks(release, source)
    comments = [*notes(release, source), *(block.comment for block in parts if block.comment)]
    return {
        "config": str(written.path),
        "created": list(map(str, written.created)),
        "kept": list(map(str, written.kept)),
        "ejabberd": {"version": str(release), "options": merged(parts), "notes": comments},
        "next": _next(written, release),
        "shared": str(SHARED) if SHARED.exists() else None,
    }
