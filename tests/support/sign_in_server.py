"""ejabberd that accepts access tokens, Muniment with sign-in, and users who sign in over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, TCPConnector

from support.account_api import with_account_api
from support.command import run_command
from support.ejabberd import Account, Ejabberd
from support.muniment import Muniment
from support.ports import LOOPBACK, free_port
from support.releases import Release
from support.server import Server

#: The origin of a page of a web client.
PAGE = "https://chat.example"


@dataclass(frozen=True)
class SigningIn:
    """ejabberd and Muniment with sign-in, and the address of the public listener."""

    server: Server
    url: str

    async def sign_in(self, account: Account, **fields: str) -> dict[str, Any]:
        """Return the tokens of a new sign-in."""
        body = {"jid": account.jid, "password": account.password, **fields}
        async with (
            ClientSession() as http,
            http.post(f"{self.url}/api/v1/tokens", json=body) as response,
        ):
            assert response.status == 201, await response.text()
            return await response.json()

    def user(self, tokens: dict[str, Any]) -> ClientSession:
        """Return an HTTP session of a user."""
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        # Muniment may have been restarted between two requests.
        connector = TCPConnector(force_close=True)
        return ClientSession(self.url, headers=headers, connector=connector)


@contextmanager
def sign_in_server(
    folder: Path,
    release: Release,
    *,
    accepts_tokens: bool = True,
    gateway: dict[str, Any] | None = None,
    has_rooms: bool = False,
    more_changes: Mapping[str, str] | None = None,
    more_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[SigningIn]:
    """Run both in a folder; ejabberd accepts access tokens unless `accepts_tokens` is False.

    `gateway` has the options of the REST gateway, if there is to be one. With `has_rooms` rooms
    have archives of their own. `more_changes` are further replacements in the example of
    ejabberd.yml, `more_options` sections of Muniment.
    """
    key, http, public = folder / "muniment/key.json", free_port(), free_port()
    (folder / "muniment").mkdir(parents=True)
    lines = token_lines(key) if accepts_tokens else "auth_method: internal\n"
    changes = {**with_account_api(lines), **(more_changes or {})}
    with Ejabberd(folder / "ejabberd", release, changes=changes) as ejabberd:
        options: dict[str, Any] = {
            "tokens": {"key_file": "key.json"},
            "accounts": {"api_url": f"http://{LOOPBACK}:{ejabberd.ports.http}/api"},
            "public_http": {
                "enabled": True,
                "port": public,
                "cors_origins": [PAGE],
                "trusted_proxies": [LOOPBACK],
            },
            "sessions": {"port": ejabberd.ports.c2s},
        }
        if has_rooms:
            options["archive"] = {"room_services": [f"conference.{ejabberd.hosts[0]}"]}
        options |= more_options or {}
        if gateway is not None:
            options["gateway"] = {"enabled": True, **gateway}
        with Muniment(folder / "muniment", ejabberd, http_port=http, options=options) as muniment:
            yield SigningIn(Server(ejabberd, muniment), f"http://{LOOPBACK}:{public}")


def token_lines(key: Path) -> str:
    """Create the key of access tokens, and return the lines for ejabberd.yml."""
    return run_command(
        *("token-key", "--config", "/dev/stdin"),
        stdin=f"""
            xmpp.jid = "archive.test"
            xmpp.hosts = ["one.test"]
            xmpp.secret = "for this test"
            http.enabled = false
            tokens.key_file = "{key}"
        """,
    ).stdout
