"""A module of the operator says who may log in to a real ejabberd, and who is on their rosters."""

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
def handled(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("handled")
    (folder / "lib").mkdir()
    (folder / "lib" / "own_users.py").write_text(MODULE)
    options = {"handlers": {"module": "own_users", "path": "../lib"}}
    with external(folder, release, options=options) as server:
        yield server


def account(server: Server, user: str = "ann", host: int = 0) -> Account:
    """Return somebody whom the module knows."""
    name = server.ejabberd.hosts[host]
    return Account(user, name, f"{user} of {name}")


async def asked(server: Server, path: str, **query: str) -> tuple[int, Any]:
    async with (
        session(server.muniment) as http,
        http.get(f"/api/{path}", params=query) as answer,
    ):
        text = await answer.text()
        return answer.status, await answer.json() if text else None


@pytest.mark.parametrize("host", [0, 1])
async def test_users_of_the_module_log_in(handled: Server, host: int) -> None:
    async with slixmpp_client(account(handled, host=host), handled.ejabberd.ports.c2s):
        pass


@pytest.mark.parametrize("user", ["ann", "broken"])
async def test_nobody_else_logs_in(handled: Server, user: str) -> None:
    wrong = Account(user, handled.ejabberd.hosts[0], "wrong")

    with pytest.raises(ConnectionError):
        async with slixmpp_client(wrong, handled.ejabberd.ports.c2s):
            pass


async def test_what_the_module_raises_is_told_to_the_log_alone(handled: Server) -> None:
    status, body = await asked(handled, "auth", username="broken", password="x")

    assert (status, body["error"]) == (500, "internal-server-error")
    assert "db.internal" not in str(body)
    assert "ValueError: cannot reach db.internal" in handled.muniment.tail


async def test_its_rosters_are_shown_over_http_and_in_xmpp(handled: Server) -> None:
    ann = account(handled)
    bob = f"bob@{ann.host}"
    async with Client(ann, handled.ejabberd.ports.c2s) as client:
        answer = await client.ask(
            "get", "<query xmlns='jabber:iq:roster'/>", to=handled.ejabberd.component
        )
    (item,) = answer.iter("{jabber:iq:roster}item")

    assert dict(item.attrib) == {"jid": bob, "name": f"Bob of {ann.host}", "subscription": "both"}
    assert await asked(handled, "roster", username="ann") == (
        200,
        {"roster": [{"username": "bob", "subscription": "both", "nick": f"Bob of {ann.host}"}]},
    )
    assert (await asked(handled, "roster", username="nobody"))[0] == 401


async def test_its_archive_answers_in_the_place_of_ours(handled: Server) -> None:
    async with session(handled.muniment) as http:
        async with http.post("/api/archive", json=post()) as answer:
            assert answer.status == 200
        async with http.post("/api/archive", json=post(peer="nobody")) as answer:
            assert (await answer.json())["message"] == "nobody is nobody's peer"

    assert await asked(handled, "archive", username="alice") == (
        200,
        {"archive": [post()], "count": 1, "complete": True},
    )


async def test_accounts_are_not_made_where_the_module_knows_them(handled: Server) -> None:
    url = f"/api/v1/accounts/{account(handled, 'new').jid}"
    async with (
        session(handled.muniment) as http,
        http.put(url, json={"password": "x"}) as answer,
    ):
        assert answer.status == 409
        assert "own_users" in (await answer.json())["message"]
