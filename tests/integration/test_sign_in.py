"""Users sign in over HTTP, and a real ejabberd accepts their access tokens as passwords."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from support.releases import Release
from support.sign_in_server import PAGE, SigningIn, sign_in_server
from support.slixmpp_client import logs_in

#: The lines differ between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd


@pytest.fixture(scope="module")
def signing_in(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[SigningIn]:
    with sign_in_server(tmp_path_factory.mktemp("sign-in"), release) as signing_in:
        yield signing_in


async def test_access_token_logs_its_user_in_to_ejabberd(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")

    token = (await signing_in.sign_in(alice))["access_token"]

    assert await logs_in(server, replace(alice, password=token))
    assert not await logs_in(server, replace(bob, password=token))
    assert await logs_in(server, alice)


async def test_user_reads_own_archive_and_roster_and_those_of_nobody_else(
    signing_in: SigningIn,
) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    server = signing_in.server
    async with server.client(alice) as sender, server.client(bob) as recipient:
        await recipient.be_available()
        sender.say(bob.jid, "over XMPP")
        await recipient.wait_for_body("over XMPP")

    async with signing_in.user(await signing_in.sign_in(bob, label="test")) as http:
        own = await http.get(f"/api/v1/archives/{bob.jid}/messages")
        assert [item["body"] for item in (await own.json())["messages"]] == ["over XMPP"]
        conversations = await http.get(f"/api/v1/archives/{bob.jid}/conversations")
        assert [item["peer"] for item in (await conversations.json())["conversations"]] == [
            alice.jid
        ]
        roster = await http.get(f"/api/v1/rosters/{bob.jid}")
        assert await roster.json() == {"owner": bob.jid, "contacts": []}

        for path in ("archives/{}", "archives/{}/messages", "archives/{}/stream", "rosters/{}"):
            refused = await http.get(f"/api/v1/{path.format(alice.jid)}")
            assert (await refused.json())["error"] == "forbidden", path


async def test_page_behind_a_proxy_follows_its_archive_with_a_ticket(
    signing_in: SigningIn,
) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    server = signing_in.server
    tokens = await signing_in.sign_in(bob)
    headers = {"Origin": PAGE, "X-Forwarded-For": "198.51.100.7"}

    async with ClientSession(signing_in.url, headers=headers) as page:
        asking = {"Access-Control-Request-Method": "POST"}
        preflight = await page.options("/api/v1/tokens/tickets", headers=asking)
        assert preflight.status == 204
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        answer = await page.post("/api/v1/tokens/tickets", headers=bearer)
        ticket = (await answer.json())["ticket"]

        path = f"/api/v1/archives/{bob.jid}/stream"
        async with page.get(path, params={"ticket": ticket}) as stream:
            assert stream.headers["Access-Control-Allow-Origin"] == PAGE
            async with server.client(alice) as sender, asyncio.timeout(30):
                sender.say(bob.jid, "to the page")
                async for line in stream.content:
                    if line.startswith(b"data: "):
                        break
        assert b"to the page" in line
        assert (await page.get(path, params={"ticket": ticket})).status == 401

    refused = f"GET {path} 401"
    server.muniment.wait_until(lambda: refused in server.muniment.log, "logs the request")
    assert ticket not in server.muniment.log


async def test_revoked_access_token_is_no_password_for_muniment(signing_in: SigningIn) -> None:
    """ejabberd, which keeps the accounts, accepts the token until it expires."""
    alice, muniment = signing_in.server.account("alice"), signing_in.server.muniment
    tokens = await signing_in.sign_in(alice)
    revoked = replace(alice, password=tokens["access_token"])
    login = {"username": alice.user, "password": revoked.password}
    async with (
        signing_in.user(tokens) as http,
        ClientSession(muniment.url, headers={"X-Api-Key": muniment.secret}) as server,
    ):
        assert (await server.get("/api/auth", params=login)).status == 200

        assert (await http.delete("/api/v1/tokens/current")).status == 204

        assert (await server.get("/api/auth", params=login)).status == 401
    assert await logs_in(signing_in.server, revoked)


async def test_sign_in_with_access_token_as_password_is_refused(signing_in: SigningIn) -> None:
    alice = signing_in.server.account("alice")
    token = (await signing_in.sign_in(alice))["access_token"]

    async with ClientSession() as http:
        body = {"jid": alice.jid, "password": token}
        response = await http.post(f"{signing_in.url}/api/v1/tokens", json=body)
        assert response.status == 401


async def test_sign_in_survives_a_restart_and_ends_with_a_new_password(
    signing_in: SigningIn,
) -> None:
    alice = signing_in.server.account("alice")
    tokens = await signing_in.sign_in(alice)

    signing_in.server.muniment.restart()

    async with signing_in.user(tokens) as http:
        sign_ins = (await (await http.get("/api/v1/tokens")).json())["sign_ins"]
        assert [(item["id"], item["current"]) for item in sign_ins] == [(tokens["id"], True)]
        body = {"refresh_token": tokens["refresh_token"]}
        refreshed = await http.post("/api/v1/tokens/refresh", json=body)
        assert refreshed.status == 200

        async with ClientSession(
            signing_in.server.muniment.url,
            headers={"X-Api-Key": signing_in.server.muniment.secret},
        ) as admin:
            changed = await admin.put(
                f"/api/v1/accounts/{alice.jid}", json={"password": "another one"}
            )
            assert changed.status == 204, await changed.text()

        assert (await http.get("/api/v1/tokens")).status == 401
        body = {"refresh_token": (await refreshed.json())["refresh_token"]}
        assert (await http.post("/api/v1/tokens/refresh", json=body)).status == 401
