#!/usr/bin/env python3
"""Try a desktop client on a real ejabberd: a prepared archive, a display, and screenshots.

The client is looked at on a fresh device, while messages come, in a room, and after an absence.
Each time its screen is photographed into the folder, and the messages that it has stored are
counted. Nothing is judged: docs/clients.md has the results.

It needs root, because Dino connects to port 5222 of its server's domain, which is localhost here,
and believes the system's certificates only. It needs these Debian packages: dino-im or gajim,
dbus, imagemagick, openssl, xdotool and xvfb. The client runs as the user nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.changes import say_and_correct, say_and_retract  # noqa: E402
from support.ejabberd import Account, Ejabberd, Ports  # noqa: E402
from support.mod_mam import WithModMam  # noqa: E402
from support.muniment import Muniment  # noqa: E402
from support.raw import Client  # noqa: E402
from support.releases import unpacked, versions  # noqa: E402
from support.traffic import say_in_turn  # noqa: E402

HOSTS = ("localhost", "team.example")
ALICE, BOB = (Account(name, HOSTS[0], f"secret-of-{name}") for name in ("alice", "bob"))
ROOM = f"tea@conference.{HOSTS[0]}"
C2S_PORT = 5222

DISPLAY = ":87"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

#: Messages of the prepared archive: more than one page of any client.
COUNT = 94

#: How long a client is left alone after a start, and before it is looked at.
START_SECONDS, LOOK_SECONDS = 15.0, 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desktop:
    """A client, and where it keeps its account and its messages, below the home folder."""

    command: str
    settings: str
    add_account: Callable[[sqlite3.Connection], None]
    messages: str
    texts: str  #: the query for the texts of all messages
    chat_keys: tuple[str, ...] = ()  #: what its dialog wants when a chat is opened by a link
    room_keys: tuple[str, ...] = ()  #: the same of a room


def add_to_dino(settings: sqlite3.Connection) -> None:
    """Add the account to the database that Dino has made."""
    settings.execute(
        "INSERT INTO account (bare_jid, resourcepart, password, alias, enabled, roster_version,"
        " mam_earliest_synced) VALUES (?, 'dino', ?, '', 1, '', -1)",
        (ALICE.jid, ALICE.password),
    )


def add_to_gajim(settings: sqlite3.Connection) -> None:
    """Add the account to the settings that Gajim has made."""
    account = {
        "name": ALICE.user,
        "hostname": ALICE.host,
        "password": ALICE.password,
        "savepass": True,
        "active": True,
        "use_custom_host": True,
        "custom_host": HOSTS[0],
        "custom_port": C2S_PORT,
    }
    settings.execute(
        "INSERT INTO account_settings (account, settings) VALUES (?, ?)",
        (ALICE.user, json.dumps({"account": account, "contact": {}, "group_chat": {}})),
    )
    settings.execute(
        "UPDATE settings SET settings = ? WHERE name = 'app'",
        (json.dumps({"use_keyring": False}),),
    )


DESKTOPS = {
    "dino": Desktop(
        command="dino-im",
        settings=".local/share/dino/dino.db",
        add_account=add_to_dino,
        messages=".local/share/dino/dino.db",
        texts="SELECT body FROM message",
        room_keys=("Tab", "Tab", *ALICE.user, "Tab", "Tab", "Return"),
    ),
    "gajim": Desktop(
        command="gajim",
        settings=".config/gajim/settings.sqlite",
        add_account=add_to_gajim,
        messages=".local/share/gajim/logs.db",
        texts="SELECT message FROM logs WHERE message IS NOT NULL",
        chat_keys=("Return",),
        room_keys=("Return", "Return"),
    ),
}


def main() -> int:
    """Run everything, and return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", choices=DESKTOPS)
    parser.add_argument("folder", type=Path, help="where the screenshots go")
    parser.add_argument("--ejabberd", metavar="VERSION", default=versions()[-1])
    parser.add_argument("--mod-mam", action="store_true", help="ejabberd's own archive instead")
    parser.add_argument("--stay", action="store_true", help="keep all running until Ctrl-C")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="try-client-")))
        work.chmod(0o755)
        port = stack.enter_context(server(work, options.ejabberd, is_mod_mam=options.mod_mam))
        stack.enter_context(display())
        trial = Trial(DESKTOPS[options.client], work, options.folder)
        asyncio.run(trial.run(port, stays=options.stay))
    return 0


@contextmanager
def server(work: Path, version: str, *, is_mod_mam: bool) -> Iterator[int]:
    """Run ejabberd with TLS, and Muniment beside it or mod_mam in it; yield the port."""
    pem = work / "server.pem"
    name = ("-subj", f"/CN={HOSTS[0]}", "-addext", f"subjectAltName=DNS:{HOSTS[0]}")
    files = ("-keyout", str(work / "key"), "-out", str(work / "certificate"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name, *files],
        check=True,
        capture_output=True,
    )
    pem.write_text((work / "key").read_text() + (work / "certificate").read_text())
    changes = {
        "# certfiles:\n#   - /etc/letsencrypt/live/chat.example/*.pem": f"certfiles:\n  - {pem}",
        "access: c2s": "access: c2s\n    starttls: true",
    }
    make = WithModMam if is_mod_mam else Ejabberd
    ports = Ports.free(c2s=C2S_PORT)
    if ports.c2s != C2S_PORT:
        raise SystemExit(f"try-client: port {C2S_PORT} is taken")
    folder, release = work / "ejabberd", unpacked(version)
    with make(folder, release, hosts=HOSTS, ports=ports, changes=changes) as ejabberd:
        ejabberd.register(ALICE, BOB)
        with ExitStack() as stack:
            if not is_mod_mam:
                stack.enter_context(Muniment(work / "muniment", ejabberd))
            yield ejabberd.ports.c2s


@contextmanager
def display() -> Iterator[None]:
    """Run an X server without a screen."""
    command = ["Xvfb", DISPLAY, "-screen", "0", "1200x900x24"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


class Trial:
    """One client, tried step by step."""

    def __init__(self, desktop: Desktop, work: Path, screenshots: Path) -> None:
        self._desktop = desktop
        self._home = work / "home"
        self._home.mkdir()
        shutil.chown(self._home, "nobody")
        self._screenshots = screenshots
        bundle = work / "certificates"
        bundle.write_text(Path(CERTIFICATES).read_text() + (work / "certificate").read_text())
        bundle.chmod(0o644)
        self._bundle = bundle

    async def run(self, port: int, *, stays: bool) -> None:
        """Show the client a prepared archive, live messages, a room, and what it has missed."""
        async with self._running():
            print("The client has made its files.")
        with closing(sqlite3.connect(self._home / self._desktop.settings)) as settings, settings:
            self._desktop.add_account(settings)
        async with Client(ALICE, port, "phone") as phone, Client(BOB, port, "phone") as bob:
            await phone.enable_carbons()
            await bob.enable_carbons()
            await say_in_turn(phone, bob, COUNT)
            await say_and_correct(bob, ALICE.jid, "wrogn", "right", seen_by=phone)
            await say_and_retract(bob, ALICE.jid, "a slip", seen_by=phone)
            async with self._running():
                await self._open(f"xmpp:{BOB.jid}?message", self._desktop.chat_keys)
                await self._look("1-fresh")
                await self._scroll()
                await self._look("1-fresh-scrolled")
                bob.say(ALICE.jid, "live from bob")
                phone.say(BOB.jid, "live from another device")
                await say_and_correct(bob, ALICE.jid, "live wrogn", "live right", seen_by=phone)
                await say_and_retract(bob, ALICE.jid, "a live slip", seen_by=phone)
                await self._type("typed here")
                await self._look("2-live")
                await bob.join(ROOM, "bob")
                for n in range(5):
                    bob.say(ROOM, f"tea {n}", type="groupchat")
                await self._open(f"xmpp:{ROOM}?join", self._desktop.room_keys)
                await say_and_correct(
                    bob, ROOM, "tea wrogn", "tea right", seen_by=bob, type="groupchat"
                )
                await self._look("3-room")
            for n in range(6):
                sender, reader = (phone, bob) if n % 2 else (bob, phone)
                sender.say(reader.account.jid, f"missed {n}")
                await reader.wait_for_body(f"missed {n}")
            async with self._running():
                await self._open(f"xmpp:{BOB.jid}?message", self._desktop.chat_keys)
                await self._look("4-return")
                if stays:
                    print(f"DISPLAY={DISPLAY} xdotool ... reaches it; Ctrl-C ends it.")
                    await asyncio.Event().wait()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Run the client in a session of D-Bus, and with a certificate that it believes."""
        inner = f'echo "$DBUS_SESSION_BUS_ADDRESS" >{self._home}/bus; exec {self._desktop.command}'
        outer = f'mount --bind {self._bundle} {CERTIFICATES} && exec "$@"'
        as_nobody = self._as_nobody("dbus-run-session", "--", "sh", "-c", inner)
        command = ["unshare", "--mount", "sh", "-c", outer, "sh", *as_nobody]
        with (self._home.parent / "client.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            await asyncio.sleep(START_SECONDS)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()

    async def _open(self, uri: str, keys: Sequence[str]) -> None:
        """Have the running client open a chat or a room, and press keys in its dialog."""
        bus = (self._home / "bus").read_text().strip()
        bus_set = ("env", f"DBUS_SESSION_BUS_ADDRESS={bus}")
        command = self._as_nobody(*bus_set, self._desktop.command, uri)
        opener = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await asyncio.sleep(LOOK_SECONDS)
        opener.poll()
        for key in keys:
            _xdotool("key", key)
            await asyncio.sleep(LOOK_SECONDS if key == "Return" else 0.1)

    async def _look(self, name: str) -> None:
        """Take a screenshot, and count the texts that the client has stored."""
        await asyncio.sleep(LOOK_SECONDS)
        picture = self._screenshots / f"{name}.png"
        subprocess.run(["import", "-display", DISPLAY, "-window", "root", picture], check=True)
        with closing(sqlite3.connect(self._home / self._desktop.messages)) as database:
            texts = Counter(text for (text,) in database.execute(self._desktop.texts))
        missing = [n for n in range(COUNT) if f"message {n}" not in texts]
        others = sorted(text for text in texts if not text.startswith("message "))
        twice = [text for text, count in texts.items() if count > 1]
        print(f"{name}: {texts.total()} stored; missing {missing}; twice {twice}; others {others}")

    async def _scroll(self) -> None:
        """Scroll up for a while."""
        _xdotool("mousemove", "800", "400")
        for _ in range(60):
            _xdotool("click", "--repeat", "10", "4")
            await asyncio.sleep(0.1)

    async def _type(self, text: str) -> None:
        """Type a message where the focus is."""
        _xdotool("type", text)
        _xdotool("key", "Return")
        await asyncio.sleep(1)

    def _as_nobody(self, *command: str) -> list[str]:
        own = (f"HOME={self._home}", f"XDG_RUNTIME_DIR={self._home}", f"DISPLAY={DISPLAY}")
        user = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
        return [*user, "env", *own, "LANG=C.UTF-8", *command]


def _xdotool(*arguments: str) -> None:
    environment = {**os.environ, "DISPLAY": DISPLAY}
    subprocess.run(["xdotool", *arguments], check=True, env=environment)


if __name__ == "__main__":
    sys.exit(main())
