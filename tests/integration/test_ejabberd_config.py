"""The options that `muniment ejabberd-config` prints, added to a small ejabberd.yml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from support import mam
from support.command import run_command
from support.ejabberd import Account, Ejabberd
from support.mam_payloads import archive_at
from support.muniment import ACCOUNTS, Muniment, Options
from support.ports import free_port
from support.releases import Release
from support.remote_data import session
from support.server import Server
from support.slixmpp_client import logs_in

pytestmark = pytest.mark.every_ejabberd

HOSTS = ("one.test", "two.test")
SERVICE = "conference.one.test"
BOSS = Account("boss", HOSTS[0], "pencil")

#: A small ejabberd.yml of an ejabberd that knows nothing of Muniment.
STOCK = """\
hosts:
  - one.test
  - two.test
listen:
  -
    port: {c2s}
    ip: "127.0.0.1"
    module: ejabberd_c2s
  -
    port: {http}
    ip: "127.0.0.1"
    module: ejabberd_http
acl:
  local:
    user_regexp: ""
access_rules:
  local:
    allow: local
api_permissions:
  "console commands":
    from: ejabberd_ctl
    who: all
    what: "*"
modules:
  mod_disco: {{}}
  mod_muc: {{}}
  mod_offline: {{}}
  mod_roster: {{}}
"""


def printed_options(muniment: Muniment, release: Release, *arguments: str) -> str:
    """Return the output of the real command for this configuration."""
    muniment.write_config()
    config = str(muniment.config_path)
    printed = run_command("ejabberd-config", release.version, "--config", config, *arguments)
    assert printed.returncode == 0, printed.stderr
    return printed.stdout


def with_options(stock: str, options: str) -> str:
    """Return an ejabberd.yml with printed options, as an operator adds them."""
    for section in re.split(r"\n(?=\w)", options):
        key, _, lines = section.partition("\n")
        if f"\n{key}\n" in stock:
            stock = stock.replace(f"\n{key}\n", f"\n{key}\n{lines}\n")
        else:
            stock += f"{section}\n"
    return stock


@contextmanager
def running(
    folder: Path,
    release: Release,
    options: Options,
    *arguments: str,
    in_own_file: bool = False,
) -> Iterator[Server]:
    """Run an ejabberd of printed options, with the password that they leave out, and Muniment.

    The options are in ejabberd.yml, or in a file that it includes.
    """
    ejabberd = Ejabberd(folder / "ejabberd", release, hosts=HOSTS)
    muniment = Muniment(folder / "muniment", ejabberd, options=options)
    printed = printed_options(muniment, release, *arguments)
    assert ejabberd.secret not in printed
    assert printed.count("change-me") == 1
    printed = printed.replace("change-me", ejabberd.secret)
    stock = STOCK.format(c2s=ejabberd.ports.c2s, http=ejabberd.ports.http)
    if in_own_file:
        ejabberd.folder.mkdir(parents=True)
        included = ejabberd.folder / "muniment.yml"
        included.write_text(printed)
        ejabberd.config = f"{stock}include_config_file: {included}\n"
    else:
        ejabberd.config = with_options(stock, printed)
    with ejabberd, muniment:
        yield Server(ejabberd, muniment)


async def test_messages_rooms_and_accounts_work_by_the_printed_options(
    tmp_path: Path, release: Release
) -> None:
    api = free_port()
    options = {
        "archive": {"room_services": [SERVICE]},
        "accounts": {
            "api_url": f"http://127.0.0.1:{api}/api",
            "api_user": BOSS.jid,
            "api_password": BOSS.password,
        },
    }
    with running(tmp_path, release, options, in_own_file=True) as server:
        server.ejabberd.register(BOSS)
        alice, bob = server.accounts("alice", "bob")
        async with server.client(alice) as hers, server.client(bob) as his:
            await his.be_available()
            hers.say(bob.jid, "hello")
            await his.wait_for_body("hello")
            assert await mam.bodies(hers) == await mam.bodies(his) == ["hello"]

            room = f"room-{uuid4().hex[:8]}@{SERVICE}"
            await hers.join(room, "ally")
            await his.join(room, "bobby")
            hers.say(room, "welcome", type="groupchat")
            await his.wait_for_body("welcome")
            archive = archive_at(server.ejabberd.component, room)
            assert await mam.bodies(his, to=archive) == ["welcome"]

        # The account of the API may be asked for, and so may its commands.
        async with (
            session(server.muniment) as http,
            http.get(f"/api/{alice.host}/user", params={"username": alice.user}) as answer,
        ):
            assert answer.status == 200, await answer.text()
        assert "mod_privilege must grant" not in server.muniment.log


async def test_users_of_muniment_log_in_by_the_printed_options(
    tmp_path: Path, release: Release
) -> None:
    with running(tmp_path, release, ACCOUNTS, "--extauth") as server:
        ann = Account("ann", HOSTS[0], "pencil")
        async with (
            session(server.muniment) as http,
            http.put(f"/api/v1/accounts/{ann.jid}", json={"password": ann.password}) as answer,
        ):
            assert answer.ok, await answer.text()

        assert await logs_in(server, ann)
        assert not await logs_in(server, Account("ann", HOSTS[0], "wrong"))
