"""A module of the operator provides accounts, rosters and archives for a real ejabberd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.ejabberd import Account
from support.external_auth import external
from support.http_services import post
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.server import Server
from support.slixmpp_client import slixmpp_client

# ejabberd asks the module by the way of test_external_auth.py, which has all releases.
pytestmark = pytest.mark.newest_ejabberd

MODULE = """
import json
from pathlib import Path

KEPT = Path(__file__).parent / "kept.json"

def user_authentication(username, password, host):
    if username == "broken":
        raise ValueError("cannot reach db.internal")
    return password == f"{username} of {host}"

async def user_exists(username, host):
    return username in ("ann", "bob")

def retrieve_user_roster(username, host):
    if username in ("ann", "bob"):
        return {"roster": [{"username": "bob", "subscription": "both", "nick": f"Bob of {host}"}]}

def archive_store(payload, host):
    if payload["peer"] == "nobody":
        return "nobody is nobody's peer"
    KEPT.write_text(json.dumps(payload))
    return True

def archive_get(username, host, peer=None, after=None, before=None, limit=None, chat_type=None):
    return {"archive": [json.loads(KEPT.read_text())], "count": 1}
"""


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("handled")
    (folder / "lib").mkdir()
    (folder / "lib" / "own_users.py").write_text(MODULE)
    options = {"handlers": {"module": "own_users", "path": "../lib"}}
    with external(folder, release, options=options) as server:
        yield server


def account(server: Server, user: str = "ann", host: int = 0) -> Account:
    """Return an account that the module accepts."""
    name = server.ejabberd.hosts[host]
    return Account(user, name, f"{user} of {name}")


async def get(server: Server, path: str, **query: str) -> tuple[int, Any]:
    async with (
        session(server.muniment) as http,
        http.get(f"/api/{path}", params=query) as response,
    ):
        text = await response.text()
        return response.status, await response.json() if text else None


@pytest.mark.parametrize("host", [0, 1])
async def test_user_accepted_by_the_module_logs_in(module_server: Server, host: int) -> None:
    async with slixmpp_client(account(module_server, host=host), module_server.ejabberd.ports.c2s):
        pass


@pytest.mark.parametrize("user", ["ann", "broken"])
async def test_user_refused_by_the_module_cannot_log_in(module_server: Server, user: str) -> None:
    rejected = Account(user, module_server.ejabberd.hosts[0], "wrong")

    with pytest.raises(ConnectionError):
        async with slixmpp_client(rejected, module_server.ejabberd.ports.c2s):
            pass


async def test_exception_of_the_module_is_in_the_log_and_not_in_the_response(
    module_server: Server,
) -> None:
    status, body = await get(module_server, "auth", username="broken", password="x")

    assert (status, body["error"]) == (500, "internal-server-error")
    assert "db.internal" not in str(body)
    assert "ValueError: cannot reach db.internal" in module_server.muniment.tail


async def test_roster_of_the_module_is_shown_over_http_and_xmpp(module_server: Server) -> None:
    ann = account(module_server)
    bob = f"bob@{ann.host}"
    async with Client(ann, module_server.ejabberd.ports.c2s) as client:
        response = await client.ask(
            "get", "<query xmlns='jabber:iq:roster'/>", to=module_server.ejabberd.component
        )
    (item,) = response.iter("{jabber:iq:roster}item")

    assert dict(item.attrib) == {"jid": bob, "name": f"Bob of {ann.host}", "subscription": "both"}
    assert await get(module_server, "roster", username="ann") == (
        200,
        {"roster": [{"username": "bob", "subscription": "both", "nick": f"Bob of {ann.host}"}]},
    )
    assert (await get(module_server, "roster", username="nobody"))[0] == 401


async def test_archive_of_the_module_replaces_ours(module_server: Server) -> None:
    async with session(module_server.muniment) as http:
        async with http.post("/api/archive", json=post()) as response:
            assert response.status == 200
        async with http.post("/api/archive", json=post(peer="nobody")) as response:
            assert (await response.json())["message"] == "nobody is nobody's peer"

    assert await get(module_server, "archive", username="alice") == (
        200,
        {"archive": [post()], "count": 1, "complete": True},
    )


async def test_account_creation_is_refused_beside_a_module_with_accounts(
    module_server: Server,
) -> None:
    url = f"/api/v1/accounts/{account(module_server, 'new').jid}"
    async with (
        session(module_server.muniment) as http,
        http.put(url, json={"password": "x"}) as response,
    ):
        assert response.status == 409
        assert "own_users" in (await response.json())["message"]
