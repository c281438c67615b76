"""Profanity, a client for terminals, as its users run it: in tmux, on a home folder of its own."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from tempfile import gettempdir
from typing import Self

from support.ejabberd import Account
from support.ports import LOOPBACK

#: However long a loaded machine may take.
SECONDS = 30.0
POLL_SECONDS = 0.1

#: How many looks at an unchanged screen there are before a reader scrolls.
SCROLL_AFTER = 10

#: A terminal as high as this shows whole conversations without scrolling.
COLUMNS, LINES = 160, 150

#: Release 0.13 asks twice for the archive when a chat is opened, even if one page is all of it.
ARCHIVE_QUERIES = 2

PROGRAMS = ("profanity", "tmux")

#: XEP-0313 section 4.2, as the log has it.
_END_OF_PAGE = "<fin "

SETTINGS = """\
[connection]
mam=true
correction.allow=true

[logging]
chlog=true
history=true

[ui]
splash=false
"""


def missing_programs() -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in PROGRAMS if which(program) is None]


class Unseen(Exception):
    """Something did not appear on the screen; the message has its name and the screen."""


class Profanity:
    """One device of one user: `async with` starts Profanity and logs in, and quits at the end.

    A second start finds the messages that the first one stored.
    """

    def __init__(self, home: Path, account: Account, port: int) -> None:
        """`port` is that of the server on loopback."""
        self._home = home
        self._account = account
        self._port = port
        self._data = home / ".local" / "share" / "profanity"
        #: Not in the folder of the test: the path of a socket has 107 bytes at most.
        self._socket = Path(gettempdir()) / f"muniment-{secrets.token_hex(6)}.tmux"

    async def __aenter__(self) -> Self:
        self._configure()
        self._tmux(
            *("-f", os.devnull, "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES)),
            f"exec profanity --account {self._account.jid} --log DEBUG",
        )
        try:
            await self.wait_for("logged in successfully")
            # Only then does it ask for history when a chat is opened.
            await self.wait_until(lambda _: self._knows_the_server(), "features of the server")
        except BaseException:
            self._kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.type("/quit")
            async with asyncio.timeout(SECONDS):
                while self._is_running():  # noqa: ASYNC110 - it is no child of ours
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            self._kill()

    async def type(self, line: str) -> None:
        """Type a line, and Enter."""
        self._tmux("send-keys", "-l", line)
        # The field shows the end of a long line.
        await self.wait_for(line[-COLUMNS // 2 :])
        self._tmux("send-keys", "Enter")

    async def open_chat(self, jid: str) -> None:
        """Open the chat with a user, and return when Profanity has the archive of it.

        Profanity shows a message twice that comes between its two queries: live, and archived.
        """
        before = self._log_since_start().count(_END_OF_PAGE)
        await self.type(f"/msg {jid}")
        await self.wait_until(
            lambda _: self._log_since_start().count(_END_OF_PAGE) >= before + ARCHIVE_QUERIES,
            f"answers to {ARCHIVE_QUERIES} queries of the archive",
        )

    def press(self, key: str) -> None:
        """Press a key, by the name that tmux gives it."""
        self._tmux("send-keys", key)

    def screen(self) -> list[str]:
        """Return the lines of the screen that are not empty."""
        lines = self._tmux("capture-pane", "-p").splitlines()
        return [line.rstrip() for line in lines if line.strip()]

    async def wait_for(self, text: str) -> list[str]:
        """Return the screen when a text is on it. Raises Unseen."""
        return await self.wait_until(lambda screen: any(text in line for line in screen), text)

    async def scroll_until(self, is_seen: Callable[[list[str]], bool], description: str) -> None:
        """Return when something is seen; scroll up while nothing changes. Raises Unseen."""
        last, unchanged = self.screen(), 0

        def look(screen: list[str]) -> bool:
            nonlocal last, unchanged
            last, unchanged = screen, unchanged + 1 if screen == last else 0
            if unchanged == SCROLL_AFTER:
                unchanged = 0
                self.press("PageUp")
            return is_seen(screen)

        await self.wait_until(look, description)

    async def wait_until(
        self, is_seen: Callable[[list[str]], bool], description: str
    ) -> list[str]:
        """Return the screen when something is seen on it. Raises Unseen."""
        try:
            async with asyncio.timeout(SECONDS):
                while not is_seen(screen := self.screen()):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(POLL_SECONDS)
        except (TimeoutError, subprocess.CalledProcessError) as error:
            shown = "\n".join(self.screen()) if self._is_running() else "Profanity has ended."
            raise Unseen(f"{description}: not seen within {SECONDS:g} s\n{shown}") from error
        return screen

    def _configure(self) -> None:
        settings = self._home / ".config" / "profanity" / "profrc"
        accounts = self._data / "accounts"
        for file in (settings, accounts):
            file.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(SETTINGS)
        account = self._account
        accounts.write_text(
            f"[{account.jid}]\nenabled=true\njid={account.jid}\npassword={account.password}\n"
            f"resource={self._home.name}\nserver={LOOPBACK}\nport={self._port}\n"
            f"tls.policy=disable\nmuc.nick={account.user}\n"
        )

    def _knows_the_server(self) -> bool:
        """Return whether the server's features have come since the start."""
        received = (
            rf'RECV: <iq [^>]*from="{re.escape(self._account.host)}"[^>]*><query [^>]*disco#info'
        )
        return re.search(received, self._log_since_start()) is not None

    def _log_since_start(self) -> str:
        log = (self._data / "logs" / "profanity.log").read_text(errors="replace")
        return log[log.rindex("Starting Profanity") :]

    def _is_running(self) -> bool:
        return self._run("has-session").returncode == 0

    def _kill(self) -> None:
        self._run("kill-server")
        # tmux leaves it behind.
        self._socket.unlink(missing_ok=True)

    def _tmux(self, *arguments: str) -> str:
        """Return the output of a command of tmux. Raises CalledProcessError."""
        done = self._run(*arguments)
        done.check_returncode()
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Without the rest of the environment Profanity finds no desktop and no other home.
        environment = {"HOME": str(self._home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        return subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            capture_output=True,
            check=False,
            text=True,
            env=environment,
        )
