"""A real ejabberd in a folder of its own, configured by ejabberd.yml.example itself."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import ClassVar

from support.command import ROOT
from support.ports import answers, free_port
from support.program import Program
from support.releases import Release

EXAMPLE = ROOT / "ejabberd.yml.example"

#: Lines of the example for the releases that know them.
IQ_PRIVILEGE = """\
# iq:
    #   "http://jabber.org/protocol/disco#info":
    #     get: muniment"""
USER_IQ_PRIVILEGE = """\
#   "http://jabber.org/protocol/pubsub":
    #     get: muniment"""

#: The cache of translations of each release. In a new folder ejabberd takes 0.3 s to make it.
_translations: dict[Release, bytes] = {}


@dataclass(frozen=True, slots=True)
class Account:
    """A user of ejabberd."""

    user: str
    host: str
    password: str

    @property
    def jid(self) -> str:
        """The bare JID."""
        return f"{self.user}@{self.host}"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on which ejabberd listens."""

    c2s: int
    component: int
    http: int

    @classmethod
    def free(cls, *, c2s: int = 0, component: int = 0, http: int = 0) -> Ports:
        """Return free ports, and the preferred ones if they are free."""
        return cls(free_port(c2s), free_port(component), free_port(http))


class Ejabberd(Program):
    """An ejabberd that is independent of all others on this machine."""

    #: Whether it stops in order after a `with`, which takes a second. Tests read its data no more.
    is_orderly: ClassVar[bool] = True

    def __init__(
        self,
        folder: Path,
        release: Release,
        *,
        hosts: Sequence[str] = ("one.test", "two.test"),
        component: str = "archive.test",
        ports: Ports | None = None,
        secret: str | None = None,
        changes: Mapping[str, str] | None = None,
        processes: Sequence[str] = (),
    ) -> None:
        """`changes` are replacements in the example, beside those that every test needs.

        `processes` are the domains of several processes of Muniment, () if there is one.
        """
        self._processes = processes
        super().__init__("ejabberd", folder / "ejabberd.out")
        self.folder = folder
        self.release = release
        self.config_path = folder / "ejabberd.yml"
        self.hosts = tuple(hosts)
        self.component = component
        self.ports = ports or Ports.free()
        self.secret = secret or secrets.token_hex(16)
        #: The whole of ejabberd.yml, None for the example.
        self.config: str | None = None
        #: Folders with further modules of Erlang.
        self.libraries: tuple[str, ...] = ()
        self._changes = changes or {}
        self._marks = count(1)

    def __exit__(self, *_: object) -> None:
        if self.is_orderly:
            self.stop()
        else:
            self.kill()

    def start(self) -> None:
        """Start, and return when all listeners answer. Raises Failed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_config()
        # Without a name there is neither distribution nor epmd nor cookie; the shell on stdin is
        # the way in, and the end of stdin, should this process die, is the end of ejabberd.
        modules = str(self.release.modules)
        folder = self.folder / "db"
        database = ["-mnesia", "dir", f'"{folder}"']
        translations = folder / "translations.cache"
        if self.release in _translations and not translations.exists():
            folder.mkdir(exist_ok=True)
            translations.write_bytes(_translations[self.release])
        self.launch(
            [
                self.release.erl,
                "-oldshell",
                *database,
                "-pa",
                modules,
                *self.libraries,
                "-s",
                "ejabberd",
            ],
            cwd=self.folder,
            environment={
                "EJABBERD_CONFIG_PATH": str(self.config_path),
                "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
                "ERL_CRASH_DUMP": str(self.folder / "erl_crash.dump"),
                "HOME": str(self.folder),
            },
            stdin=subprocess.PIPE,
        )
        # Its ports accept connections a moment before ejabberd answers on them.
        started = "lists:keymember(ejabberd, 1, application:which_applications())"
        self.wait_until(lambda: self.evaluate(started) == "true", "started")
        for port in self._listening():
            self.wait_until(lambda port=port: answers(port), f"answers on port {port}")
        if self.release not in _translations:
            _translations[self.release] = translations.read_bytes()

    def restart(self) -> None:
        """Stop and start again, with the same ports and the same data."""
        self.stop()
        self.start()

    def register(self, *accounts: Account) -> None:
        """Create accounts, or set the passwords of existing ones."""
        registrations = ", ".join(map(_registration, accounts))
        answer = self.evaluate(f"lists:usort([{registrations}])")
        if answer != "[ok]":
            raise self.failed(f"makes no accounts: {answer}")

    def offline_messages(self, account: Account) -> int:
        """Return the number of messages that wait for a user."""
        names = f"{_binary(account.user)}, {_binary(account.host)}"
        return int(self.evaluate(f"mod_offline:count_offline_messages({names})"))

    def evaluate(self, expression: str) -> str:
        """Return the value of an Erlang expression inside ejabberd, as one line."""
        mark = f"evaluated {secrets.token_hex(4)}-{next(self._marks)}:"
        line = f'io:format("~n{mark} ~0tp~n", [(catch begin {expression} end)]).\n'
        # The log of a server that many tests share is long.
        before = self.log_path.stat().st_size
        try:
            self.stdin.write(line.encode())
            self.stdin.flush()
        except BrokenPipeError:
            raise self.failed(f"has ended with {self.wait()}") from None
        value = re.compile(f"^{mark} (.*)\n", re.MULTILINE)
        self.wait_until(lambda: value.search(self.log_from(before)) is not None, expression)
        match = value.search(self.log_from(before))
        assert match is not None
        return match[1]

    def _write_config(self) -> None:
        """Write ejabberd.yml, as every start does."""
        self.config_path.touch(mode=0o600)
        self.config_path.write_text(self.config or self._config())

    def _listening(self) -> tuple[int, ...]:
        """Return the ports that answer after a start."""
        return (self.ports.c2s, self.ports.component, self.ports.http)

    def _config(self) -> str:
        """Return the example, with only those replacements that it asks for."""
        example_hosts = ("chat.example", "team.example")
        changes = {
            "port: 5222": f"port: {self.ports.c2s}",
            "port: 5275": f"port: {self.ports.component}",
            "port: 5280": f"port: {self.ports.http}",
            "muniment.example": self.component,
            'password: "change-me"': f'password: "{self.secret}"',
            **dict(zip(example_hosts, self.hosts, strict=True)),
            **self._changes,
        }
        example = EXAMPLE.read_text()
        if self.release.has_iq_privilege:
            example = replaced(example, {IQ_PRIVILEGE: IQ_PRIVILEGE.replace("# ", "")})
        if self.release.has_user_iq_privilege:
            example = replaced(example, {USER_IQ_PRIVILEGE: USER_IQ_PRIVILEGE.replace("# ", "")})
        text = replaced(example, changes)
        return self._for_processes(text) if self._processes else text

    def _for_processes(self, text: str) -> str:
        """Return ejabberd.yml with the lines of several processes, as docs/postgresql.md says."""
        queries = [f"queries.{name}" for name in self._processes]
        names = [*self._processes, *queries]
        host = text.partition(f"      {self.component}:\n")[2].partition("\nauth_method")[0]
        hosts = "".join(f'      {name}:\n        password: "{self.secret}"\n' for name in names)
        return replaced(
            text,
            {
                f"      {self.component}:\n{host}": f"{hosts}",
                f"server: {self.component}": f"server: {json.dumps(names)}\n"
                f"  muniment_queries:\n    server: {json.dumps(queries)}",
                "muniment:\n    allow: muniment": "muniment:\n    allow: muniment\n"
                "  muniment_queries:\n    allow: muniment_queries",
                "access: muniment": "access: muniment_queries",
                f"- {self.component}": "\n      ".join(f"- {name}" for name in self._processes),
            },
        )


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Return a text after all changes. Raises LookupError if a change does not apply."""
    hits = set()

    def change(match: re.Match[str]) -> str:
        hits.add(match[0])
        return changes[match[0]]

    either = "|".join(map(re.escape, changes))
    changed = re.sub(f"(?<![\\w.-])({either})(?![\\w.-])", change, text)
    if missing := changes.keys() - hits:
        raise LookupError(f"{EXAMPLE.name} has no {missing} any more: the harness must follow it")
    return changed


def _registration(account: Account) -> str:
    """Return the expression that creates an account."""
    user, host, password = map(_binary, (account.user, account.host, account.password))
    return (
        f"case ejabberd_auth:try_register({user}, {host}, {password}) of "
        f"{{error, exists}} -> ejabberd_auth:set_password({user}, {host}, {password}); "
        "Made -> Made end"
    )


def _binary(text: str) -> str:
    """Return a text as Erlang writes it."""
    return "<<" + ",".join(map(str, text.encode())) + ">>"
