"""Users of another server sign in: a second ejabberd, with its own domain, authority and DNS."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from support.certificates import Authority
from support.dns_server import DnsServer, dns_server
from support.ejabberd import Account, Ejabberd
from support.fake_xmpp_server import fake_server
from support.muniment import Muniment
from support.pool import lent_ejabberd
from support.ports import LOOPBACK, free_port
from support.raw import Client
from support.releases import Release
from support.server import Server

SECONDS = 30.0

#: Where the other server is, and an address beside it that is not allowed.
FAR, PRIVATE = "127.0.0.1", "127.0.0.2"

REFUSED = "The JID or the password is wrong."


@dataclass
class World:
    """Muniment beside its ejabberd, and another ejabberd that is open for its users."""

    server: Server
    far: Ejabberd
    url: str
    dns_port: int
    direct_port: int

    @asynccontextmanager
    async def dns(self) -> AsyncIterator[DnsServer]:
        """Run the DNS server, which knows the other server by its SRV record."""
        async with dns_server(self.dns_port) as dns:
            dns.set("_xmpp-client._tcp.far.test", "SRV", [self.srv("xmpp.far.test")])
            dns.set("xmpp.far.test", "A", [FAR])
            yield dns

    def srv(self, target: str, port: int = 0) -> str:
        return f"5 0 {port or self.far.ports.c2s} {target}"

    def account(self, name: str = "carol", host: str = "far.test") -> Account:
        """Create an account on the other server."""
        account = Account(f"{name}-{secrets.token_hex(3)}", host, secrets.token_hex(8))
        self.far.register(account)
        return account

    async def sign_in(self, account: Account) -> tuple[int, dict[str, Any], float]:
        """Return status, answer and seconds of a sign-in."""
        body = {"jid": account.jid, "password": account.password}
        began = time.monotonic()
        async with ClientSession() as http:
            response = await http.post(f"{self.url}/api/v1/tokens", json=body)
            return response.status, await response.json(), time.monotonic() - began

    @asynccontextmanager
    async def user(self, account: Account) -> AsyncIterator[User]:
        """Sign a user in."""
        status, tokens, _ = await self.sign_in(account)
        assert status == 201, tokens
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        connector = TCPConnector(force_close=True)
        async with ClientSession(self.url, headers=headers, connector=connector) as http:
            yield User(http, account.jid, tokens["refresh_token"])


class User:
    """A user over HTTP."""

    def __init__(self, http: ClientSession, jid: str, refresh_token: str) -> None:
        self.http = http
        self.refresh_token = refresh_token
        self._path = f"/api/v1/archives/{jid}"
        self._cursor = "0"

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        async with asyncio.timeout(SECONDS):
            response = await self.http.request(method, f"{self._path}/{path}", **options)
            return response.status, {} if response.status == 204 else await response.json()

    async def snapshot(self) -> dict[str, Any]:
        status, answer = await self.call("GET", "snapshot")
        assert status == 200, answer
        self._cursor = answer["cursor"]
        return answer

    async def until(self, type: str) -> dict[str, Any]:
        """Poll until there is an event of a type, and return its value."""
        async with asyncio.timeout(SECONDS):
            while True:
                query = {"after": self._cursor, "wait": "10", "limit": "1"}
                status, page = await self.call("GET", "events", params=query)
                assert status == 200, page
                self._cursor = page["cursor"]
                for event in page["events"]:
                    if event["type"] == type:
                        return event[type]  # type: ignore[no-any-return]

    async def online(self) -> None:
        """Wait until the session has its roster."""
        async with asyncio.timeout(SECONDS):
            while (await self.snapshot())["contacts"] is None:  # noqa: ASYNC110 - only a request
                await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("other-servers")
    authority = Authority(folder)
    public, dns_port, direct = free_port(), free_port(), free_port()
    certificates = f"certfiles:\n  - {authority.issue('far.test')}\n"
    listener = f"""\
listen:
  -
    port: {direct}
    ip: "{FAR}"
    module: ejabberd_c2s
    tls: true"""
    changes = {
        "loglevel: info": f"{certificates}\nloglevel: info",
        "access: c2s": "access: c2s\n    starttls: true",
        "listen:": listener,
    }
    # mis.test has the certificate of far.test, so its own clients must not trust it.
    far = Ejabberd(
        folder / "far",
        release,
        hosts=("far.test", "mis.test"),
        component="archive.far.test",
        changes=changes,
    )
    with (
        pytest.MonkeyPatch.context() as environment,
        far,
        lent_ejabberd(folder / "ejabberd", release) as ejabberd,
    ):
        environment.setenv("SSL_CERT_FILE", str(authority.path))
        options = {
            "tokens": {"key_file": "key.json"},
            "accounts": {"login_address": LOOPBACK, "login_port": ejabberd.ports.c2s},
            "public_http": {"enabled": True, "port": public},
            "sessions": {
                "servers": ["far.test", "mis.test", "private.test", "unknown.test", "plain.test"],
                "allowed_networks": [f"{FAR}/32"],
                "name_servers": [LOOPBACK],
                "name_server_port": dns_port,
            },
        }
        with Muniment(folder / "muniment", ejabberd, options=options) as muniment:
            url = f"http://{LOOPBACK}:{public}"
            yield World(Server(ejabberd, muniment), far, url, dns_port, direct)


async def test_user_of_another_server_sends_and_receives(world: World) -> None:
    carol, dave = world.account("carol"), world.account("dave")
    async with (
        world.dns(),
        Client(dave, world.far.ports.c2s) as contact,
        world.user(carol) as user,
    ):
        await contact.be_available()
        await user.online()

        message = {"to": dave.jid, "body": "Hello from afar", "id": "m-1"}
        status, sent = await user.call("POST", "messages", json=message)
        assert status == 201, sent
        assert (status, sent["body"], sent["direction"]) == (201, "Hello from afar", "send")
        received = await contact.wait_for_body("Hello from afar")
        assert (received.get("from") or "").startswith(f"{carol.jid}/muniment-")
        assert (await user.call("POST", "messages", json=message))[0] == 200
        assert (await user.until("message"))["id"] == sent["id"]

        contact.send(
            f"<message to='{received.get('from')}' type='chat' id='r-1'><body>Hi</body></message>"
        )
        reply = await user.until("message")
        assert (reply["body"], reply["direction"], reply["peer"]) == ("Hi", "recv", dave.jid)

        status, _ = await user.call(
            "POST",
            "messages",
            json={"to": dave.jid, "reacts_to": reply["id"], "reactions": ["👍"]},
        )
        assert status == 201


async def test_contacts_presences_and_requests_of_the_session_are_events(world: World) -> None:
    carol, dave = world.account("carol"), world.account("dave")
    async with (
        world.dns(),
        Client(dave, world.far.ports.c2s) as contact,
        world.user(carol) as user,
    ):
        await contact.be_available()
        await user.online()
        contact.send(f"<presence type='subscribe' to='{carol.jid}'/>")
        assert (await user.until("request"))["jid"] == dave.jid
        assert (await user.call("PUT", f"requests/{dave.jid}"))[0] == 204
        assert (await user.call("PUT", f"subscriptions/{dave.jid}"))[0] == 204
        contact.send(f"<presence type='subscribed' to='{carol.jid}'/>")
        contact.send("<presence><show>away</show></presence>")
        presence = await user.until("presence")
        assert presence["jid"].startswith(f"{dave.jid}/")
        [known] = (await user.snapshot())["contacts"]
        assert (known["jid"], known["subscription"]) == (dave.jid, "both")


async def test_message_to_another_client_of_the_user_is_an_event(world: World) -> None:
    """The session gets a carbon of it."""
    carol, dave = world.account("carol"), world.account("dave")
    async with (
        world.dns(),
        Client(carol, world.far.ports.c2s, "laptop") as laptop,
        Client(dave, world.far.ports.c2s) as contact,
        world.user(carol) as user,
    ):
        await laptop.be_available()
        await user.online()
        contact.send(f"<message to='{laptop.jid}' type='chat'><body>Psst</body></message>")
        assert (await user.until("message"))["body"] == "Psst"
        laptop.send(f"<message to='{dave.jid}' type='chat'><body>What?</body></message>")
        answer = await user.until("message")
        assert (answer["body"], answer["direction"]) == ("What?", "send")


async def test_direct_tls_goes_first_by_its_priority(world: World) -> None:
    carol = world.account()
    async with world.dns() as dns:
        target = f"1 0 {world.direct_port} xmpp.far.test"
        dns.set("_xmpps-client._tcp.far.test", "SRV", [target])
        # The other record leads nowhere.
        dns.set("_xmpp-client._tcp.far.test", "SRV", [world.srv("nowhere.far.test")])
        status, answer, _ = await world.sign_in(carol)
        assert status == 201, answer


async def test_every_refusal_has_the_same_text_and_time(world: World) -> None:
    carol = world.account()
    [alice] = world.server.accounts("alice")
    async with world.dns() as dns, fake_server("PLAIN", "SCRAM-SHA-1") as plain:
        dns.set("_xmpp-client._tcp.private.test", "SRV", [world.srv("private.test")])
        dns.set("private.test", "A", ["10.0.0.1"])
        dns.set("private.test", "AAAA", ["::ffff:127.0.0.9"])
        dns.set("_xmpp-client._tcp.mis.test", "SRV", [world.srv("xmpp.far.test")])
        dns.set("_xmpp-client._tcp.plain.test", "SRV", [world.srv("xmpp.far.test", plain.port)])
        dns.set("_xmpp-client._tcp.closed.test", "SRV", [world.srv("xmpp.far.test")])
        refused = {
            "a wrong password here": Account(alice.user, alice.host, "wrong"),
            "nobody here": Account("nobody", alice.host, "wrong"),
            "a wrong password there": Account(carol.user, carol.host, "wrong"),
            "nobody there": Account("nobody", "far.test", "wrong"),
            "a closed server": Account("eve", "closed.test", "secret"),
            "an address": Account("eve", "127.0.0.1", "secret"),
            "a part of this server": Account("eve", f"conference.{alice.host}", "secret"),
            "an unknown domain": Account("eve", "unknown.test", "secret"),
            "private addresses": Account("eve", "private.test", "secret"),
            "the certificate of another domain": world.account("eve", "mis.test"),
            "no TLS": Account("eve", "plain.test", "secret"),
        }
        answers = await asyncio.gather(*map(world.sign_in, refused.values()))
        await asyncio.sleep(0)
        assert b"<auth" not in plain.received
        # Nothing is looked up for a closed server.
        assert not any("closed.test" in name for name, _ in dns.questions)

    expected = {"error": "not-authorized", "status": 401, "message": REFUSED}
    for reason, (status, answer, _) in zip(refused, answers, strict=True):
        assert (status, answer) == (401, expected), reason
    seconds = [seconds for _, _, seconds in answers]
    # All take the time of the longest check; a busy machine may add to it.
    assert min(seconds) >= 5.5


@asynccontextmanager
async def inner_service(port: int) -> AsyncIterator[list[str]]:
    """Run a service at the private address; yield the callers."""
    callers: list[str] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(str(writer.get_extra_info("peername")))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, PRIVATE, port)
    async with server:
        yield callers


async def test_name_that_is_rebound_reaches_no_private_address(world: World) -> None:
    carol = world.account()
    async with world.dns() as dns, inner_service(world.far.ports.c2s) as callers:
        # The first answer is vetted; a second look-up would get the private address.
        dns.set("xmpp.far.test", "A", [FAR], [PRIVATE])
        status, answer, _ = await world.sign_in(carol)
        assert (status, dns.questions["xmpp.far.test", "A"]) == (201, 1), answer

        # Of several addresses, the private one is left out.
        dns.set("xmpp.far.test", "A", [PRIVATE, FAR])
        assert (await world.sign_in(carol))[0] == 201

        dns.set("xmpp.far.test", "A", [PRIVATE])
        assert (await world.sign_in(carol))[0] == 401
        assert callers == []


async def test_session_that_connects_again_vets_the_address_again(world: World) -> None:
    carol, dave = world.account("carol"), world.account("dave")
    async with (
        world.dns() as dns,
        inner_service(world.far.ports.c2s) as callers,
        world.user(carol) as user,
    ):
        await user.online()
        dns.set("xmpp.far.test", "A", [PRIVATE])
        names = f'<<"{carol.user}">>, <<"{carol.host}">>'
        world.far.evaluate(
            f"[exit(ejabberd_sm:get_session_pid({names}, R), kill)"
            f" || R <- ejabberd_sm:get_user_resources({names})]"
        )
        status, answer = await user.call("POST", "messages", json={"to": dave.jid, "body": "Hi"})
        assert (status, answer["error"]) == (503, "resource-constraint")
        assert callers == []


async def test_restart_forgets_the_password_and_ends_the_sign_in(world: World) -> None:
    carol, dave = world.account("carol"), world.account("dave")
    async with world.dns(), world.user(carol) as user:
        assert (await user.call("POST", "messages", json={"to": dave.jid, "body": "Hi"}))[0] == 201
        world.server.muniment.restart()

        assert (await user.call("GET", "messages"))[0] == 401
        refresh = {"refresh_token": user.refresh_token}
        response = await user.http.post("/api/v1/tokens/refresh", json=refresh)
        assert response.status == 401
        async with world.user(carol) as again:
            _, page = await again.call("GET", "messages")
            assert [message["body"] for message in page["messages"]] == ["Hi"]
    assert carol.password not in world.server.muniment.log


async def test_users_of_other_servers_see_their_own_account_alone(world: World) -> None:
    carol = world.account()
    [alice] = world.server.accounts("alice")
    async with world.dns(), world.user(carol) as user:
        for owner in (alice.jid, f"dave@{carol.host}"):
            for path in ("messages", "snapshot", "conversations"):
                response = await user.http.get(f"/api/v1/archives/{owner}/{path}")
                assert response.status == 403
