"""An ejabberd that asks Muniment for logins, by external authentication."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.ejabberd import ROOT, Ejabberd
from support.muniment import ACCOUNTS, Muniment, Options
from support.releases import Release
from support.server import Server

#: Options of ejabberd.yml, with two processes for both hosts; a test may register at any time.
SETTING = """\
auth_method: external
extauth_program: {command}
extauth_pool_name: muniment
extauth_pool_size: 2
auth_use_cache: {cache}
{check}registration_timeout: infinity
"""


@contextmanager
def external(
    folder: Path, release: Release, *, cache: bool = False, options: Options | None = None
) -> Iterator[Server]:
    """Run both; a path with a blank shows that the command is a line of the shell.

    `options` are further ones of Muniment, by section.
    """
    home = folder / "muni ment"
    program = [sys.executable, "-m", "component", "extauth", "--config", home / "muniment.toml"]
    command = shlex.join(["env", f"PYTHONPATH={ROOT}", *map(str, program)])
    check = "auth_external_user_exists_check: false\n" if release.version >= "23.10" else ""
    setting = SETTING.format(command=f'"{command}"', cache=str(cache).lower(), check=check)
    with (
        Ejabberd(
            folder / "ejabberd", release, changes={"auth_method: internal": setting}
        ) as ejabberd,
        Muniment(home, ejabberd, options={**ACCOUNTS, **(options or {})}) as muniment,
    ):
        yield Server(ejabberd, muniment)


def processes(server: Server) -> set[int]:
    """Return the ids of the processes that ejabberd asks."""
    ids = server.ejabberd.evaluate(
        "[Id || Port <- erlang:ports(), {name, Name} <- [erlang:port_info(Port, name)], "
        'string:find(Name, "extauth") =/= nomatch, '
        "{os_pid, Id} <- [erlang:port_info(Port, os_pid)]]"
    )
    return {int(id) for id in ids.strip("[]").split(",") if id}
