"""ejabberd with its HTTP API, and Muniment with the same API beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, TCPConnector, encode_basic_auth

from support.ejabberd import Account, Ejabberd
from support.muniment import Muniment, Options
from support.ports import LOOPBACK, free_port
from support.releases import Release
from support.server import Server
from support.sign_in_server import token_lines

#: Every command for Muniment, which comes from this machine.
PERMISSIONS = """\
api_permissions:
  "commands for Muniment":
    from: mod_http_api
    who: {ip: 127.0.0.1/32}
    what: "*"
"""

MODULES = "mod_adhoc: {}\n  mod_admin_extra: {}\n  mod_muc_admin: {}"


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP."""

    status: int
    data: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class ApiServer:
    """ejabberd and Muniment, and the addresses of the API at both."""

    server: Server
    url: str  #: of Muniment's public listener
    ejabberd_url: str
    admin: Account
    service: Account

    @property
    def host(self) -> str:
        """The virtual host."""
        return self.server.ejabberd.hosts[0]

    @property
    def rooms(self) -> str:
        """The service of rooms."""
        return f"conference.{self.host}"

    def session(self, account: Account | None) -> ClientSession:
        """Return an HTTP session of an account at Muniment, by its password."""
        # Muniment may have been restarted between two requests.
        return ClientSession(
            self.url, headers=basic(account), connector=TCPConnector(force_close=True)
        )

    async def call(
        self, account: Account | None, path: str, arguments: object = None, **query: str
    ) -> Reply:
        """Return Muniment's answer to a POST below /api."""
        async with self.session(account) as http:
            return await post(http, f"/api/{path}", arguments or {}, query)

    async def sign_in(self, account: Account) -> dict[str, Any]:
        """Return the tokens of a new sign-in."""
        body = {"jid": account.jid, "password": account.password}
        async with ClientSession() as http:
            reply = await post(http, f"{self.url}/api/v1/tokens", body, {})
            assert reply.status == 201, reply.data
            return reply.data

    async def ask_ejabberd(self, path: str, arguments: object = None) -> Reply:
        """Return ejabberd's answer to a POST below its API."""
        async with ClientSession() as http:
            return await post(http, f"{self.ejabberd_url}/{path}", arguments or {}, {})


def basic(account: Account | None) -> dict[str, str]:
    """Return the header with the credentials of an account."""
    if account is None:
        return {}
    return {"Authorization": encode_basic_auth(account.jid, account.password, encoding="utf-8")}


async def post(
    http: ClientSession, url: str, arguments: object, query: Mapping[str, str]
) -> Reply:
    """Return the answer to a POST of JSON; bytes are sent as they are."""
    body = {"data": arguments} if isinstance(arguments, bytes) else {"json": arguments}
    async with http.post(url, params=query, **body) as response:
        return Reply(response.status, await response.json(), dict(response.headers))


@contextmanager
def api_server(
    folder: Path, release: Release, options: Options | None = None, *, accepts_tokens: bool = True
) -> Iterator[ApiServer]:
    """Run both in a folder; `options` are further ones of Muniment."""
    public = free_port()
    (folder / "muniment").mkdir(parents=True)
    changes = {
        "auth_method: internal": (
            token_lines(folder / "muniment/key.json")
            if accepts_tokens
            else "auth_method: internal\n"
        )
        + PERMISSIONS,
        "/ws: ejabberd_http_ws": "/ws: ejabberd_http_ws\n      /api: mod_http_api",
        "mod_adhoc: {}": MODULES,
    }
    with Ejabberd(folder / "ejabberd", release, changes=changes) as ejabberd:
        host, url = ejabberd.hosts[0], f"http://{LOOPBACK}:{ejabberd.ports.http}/api"
        admin, service = Account("admin", host, "password"), Account("api", host, "api-password")
        ejabberd.register(admin, service)
        own: dict[str, dict[str, Any]] = {
            "tokens": {"key_file": "key.json"},
            "accounts": {"api_url": url},
            "public_http": {"enabled": True, "port": public},
            "sessions": {"port": ejabberd.ports.c2s},
            "ejabberd_api": {"enabled": True, "admins": [admin.jid], "services": [service.jid]},
        }
        for section, values in (options or {}).items():
            own[section] = {**own.get(section, {}), **values}
        with Muniment(folder / "muniment", ejabberd, options=own) as muniment:
            yield ApiServer(
                Server(ejabberd, muniment), f"http://{LOOPBACK}:{public}", url, admin, service
            )
