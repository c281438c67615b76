"""condor_chat's and bpo-chat-api's API on a real server, beside XMPP clients and the chat API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, TCPConnector
from PIL import Image
from support.condor_chat import Answer, Example, examples, shape
from support.ejabberd import Account
from support.releases import Release
from support.sign_in_server import SigningIn, sign_in_server

# Below these APIs are the chats of test_chat.py, which has all releases.
pytestmark = pytest.mark.newest_ejabberd

SECONDS = 30.0

#: The paths of both programs themselves, which Muniment's own APIs share.
CONDOR = BPO = "/api/v1"

#: The Content-Length with which condor_chat's README uploads a picture.
PICTURE_BYTES = 10_939

#: What curl sends around a picture; it makes a boundary of this length.
FORM = (
    "--------------------------0123456789abcdef\r\n"
    'Content-Disposition: form-data; name="avatar"; filename="{name}"\r\n'
    "Content-Type: image/jpeg\r\n\r\n\r\n"
    "--------------------------0123456789abcdef--\r\n"
)

VCARD = "{vcard-temp}"


@pytest.fixture(scope="module")
def signing_in(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[SigningIn]:
    options = {
        "condor_chat": {"enabled": True, "prefix": CONDOR, "time_zone": "America/Bogota"},
        "bpo_chat": {"enabled": True, "prefix": BPO},
        "chat": {"sign_up": True},
    }
    folder = tmp_path_factory.mktemp("chat_apis")
    with sign_in_server(folder, release, has_rooms=True, more_options=options) as signing_in:
        yield signing_in


class Program:
    """A client of one of the APIs, as one user runs it."""

    def __init__(self, http: ClientSession, prefix: str, id: int = 0) -> None:
        self.http = http
        self.prefix = prefix
        self.id = id

    async def do(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """Return the JSON of an answer that has a status."""
        async with self.http.request(method, f"{self.prefix}/{path}", **options) as response:
            assert response.status == status, (method, path, await response.text())
            return await response.json() if response.status != 204 else None

    async def sign_in(self, path: str, fields: dict[str, str], status: int = 200) -> None:
        """Send the access token of a sign-in from now on."""
        tokens = await self.do("POST", path, status, json=fields)
        self.http.headers["Authorization"] = f"Bearer {tokens['access']}"

    async def texts(self, room: int) -> list[str]:
        """Return the texts of a room of condor_chat."""
        shown = await self.do("GET", f"rooms/{room}/")
        return [message["content"] for message in shown["messages"]]


@asynccontextmanager
async def programs(
    signing_in: SigningIn, prefix: str, number: int
) -> AsyncIterator[list[Program]]:
    """Open clients without a token."""
    opened = [
        ClientSession(signing_in.url, connector=TCPConnector(force_close=True), headers={})
        for _ in range(number)
    ]
    try:
        yield [Program(http, prefix) for http in opened]
    finally:
        for http in opened:
            await http.close()


@asynccontextmanager
async def condor(signing_in: SigningIn, *accounts: Account) -> AsyncIterator[list[Program]]:
    """Sign users in to condor_chat's API by their user names."""
    async with programs(signing_in, CONDOR, len(accounts)) as opened:
        for program, account in zip(opened, accounts, strict=True):
            name = account.jid.partition("@")[0]
            fields = {"username": name, "password": account.password}
            await program.sign_in("access_token/", fields)
            users = (await program.do("GET", "profiles/"))["results"]
            program.id = next(user["id"] for user in users if user["username"] == name)
        yield opened


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until an asynchronous condition is true."""
    async with asyncio.timeout(SECONDS):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_messages_of_condor_chat_and_of_an_xmpp_client_are_the_same(
    signing_in: SigningIn,
) -> None:
    server = signing_in.server
    accounts = server.accounts("alice", "bob")
    async with (
        condor(signing_in, *accounts) as (alice, bob),
        server.client(accounts[1]) as phone,
    ):
        await phone.be_available()
        fields = {"message": "from condor_chat", "user_id": bob.id}
        room = await alice.do("POST", "send_message_to_user/", 201, json=fields)
        received = await phone.wait_for_body("from condor_chat")
        assert (received.get("from") or "").startswith(f"{accounts[0].jid}/")
        phone.say(accounts[0].jid, "from the phone")

        both = ["from condor_chat", "from the phone"]
        for program in (alice, bob):
            await until(lambda program=program: _has(program, room["id"], both))  # type: ignore[misc]
        shown = await bob.do("GET", f"rooms/{room['id']}/")
        assert [message["sender"] for message in shown["messages"]] == [alice.id, bob.id]


async def _has(program: Program, room: int, texts: list[str]) -> bool:
    return await program.texts(room) == texts


async def test_user_who_is_away_gets_messages_and_groups(signing_in: SigningIn) -> None:
    server = signing_in.server
    accounts = server.accounts("alice", "bob", "carol")
    async with condor(signing_in, *accounts) as (alice, bob, carol):
        fields = {"title": "park", "participants": [bob.id]}
        group = await alice.do("POST", "rooms/", 201, json=fields)
        fields = {"message": "to the group", "group_id": group["id"]}
        sent = await alice.do("POST", "send_message_to_room/", 201, json=fields)
        assert [message["content"] for message in sent["messages"]] == ["to the group"]
        fields = {"message": "to you", "user_id": bob.id}
        await alice.do("POST", "send_message_to_user/", 201, json=fields)

        async def newest() -> list[tuple[int, str]]:
            listed = (await bob.do("GET", "rooms/"))["results"]
            messages = [message for room in listed for message in room["messages"]]
            return sorted((message["sender"], message["content"]) for message in messages)

        expected = [(alice.id, "to the group"), (alice.id, "to you")]
        await until(lambda: _equal(newest, expected))
        await carol.do("GET", f"rooms/{group['id']}/", 404)
        await carol.do("DELETE", f"rooms/{group['id']}/", 404)

        # Only now bob is there: the server kept the message for him.
        async with server.client(accounts[1]) as phone:
            await phone.be_available()
            await phone.wait_for_body("to you")

        change = {"participants": [carol.id]}
        await alice.do("PATCH", f"rooms/{group['id']}/", json=change)
        assert await carol.texts(group["id"]) == ["to the group"]
        await bob.do("GET", f"rooms/{group['id']}/", 404)
        await alice.do("DELETE", f"rooms/{group['id']}/", 204)
        await carol.do("GET", f"rooms/{group['id']}/", 404)


async def test_own_message_is_corrected_and_retracted_for_everybody(
    signing_in: SigningIn,
) -> None:
    accounts = signing_in.server.accounts("alice", "bob")
    async with condor(signing_in, *accounts) as (alice, bob):
        fields = {"sender": alice.id, "content": "hullo", "user_id": bob.id}
        sent = await alice.do("POST", "messages/", 201, json=fields)
        path = f"messages/{sent['id']}/"

        changed = await alice.do("PATCH", path, json={"content": "hello"})
        assert changed["content"] == "hello"

        async def texts() -> list[str]:
            results = (await bob.do("GET", "messages/"))["results"]
            return [message["content"] for message in results]

        await until(lambda: _equal(texts, ["hello"]))
        await alice.do("DELETE", path, 204)
        await until(lambda: _equal(texts, []))
        note = {"sender": alice.id, "content": "remember the milk"}
        await alice.do("POST", "messages/", 201, json=note)


async def _equal(read: Callable[[], Awaitable[list[Any]]], expected: list[Any]) -> bool:
    return await read() == expected


async def test_picture_is_the_avatar_that_xmpp_clients_see(signing_in: SigningIn) -> None:
    server = signing_in.server
    accounts = server.accounts("alice", "bob")
    file = BytesIO()
    Image.new("RGB", (30, 30), "green").save(file, "JPEG")
    async with (
        condor(signing_in, *accounts) as (alice, bob),
        server.client(accounts[1]) as phone,
    ):
        form = FormData()
        form.add_field("avatar", file.getvalue(), filename="me.jpeg", content_type="image/jpeg")
        answer = await alice.do("PUT", f"profiles/{alice.id}/pic/", 202, data=form)
        shown = await bob.do("GET", f"profiles/{alice.id}/")

        for address in (answer["avatar"], shown["avatar_url"].removeprefix(signing_in.url)):
            async with ClientSession(signing_in.url) as http, http.get(address) as response:
                assert response.content_type == "image/png"
                assert Image.open(BytesIO(await response.read())).size == (30, 30)
        card = await phone.ask("get", "<vCard xmlns='vcard-temp'/>", to=accounts[0].jid)
        assert card.find(f"{VCARD}vCard/{VCARD}PHOTO/{VCARD}BINVAL") is not None


async def test_examples_of_the_readme_of_condor_chat_run_as_written(
    signing_in: SigningIn, tmp_path: Path
) -> None:
    access_token, refresh_token, available, found, to_user, new_room, to_room, pic = examples()
    server, host = signing_in.server, signing_in.server.ejabberd.hosts[0]
    names = ("test", "fcarreno", "palmieri", "palmibb", "fabra")
    accounts = [Account(name, host, "123456") for name in names]
    server.ejabberd.register(*accounts)
    token = ""

    async def run(example: Example, changes: dict[str, str] | None = None) -> Answer:
        address = signing_in.url.removeprefix("http://")
        return await asyncio.to_thread(example.run, tmp_path, address, token, changes)

    async with condor(signing_in, *accounts) as (_, frank, andres, carlos, fabra):
        for program, name in ((andres, "andres"), (carlos, "carlos palmiBB")):
            await program.do("PATCH", f"profiles/{program.id}/", json={"first_name": name})

        # The user of this one is "test"; that of all others is "fcarreno".
        tokens = await run(access_token)
        assert (tokens.status, shape(tokens.body)) == (200, shape(access_token.answers[0]))
        tokens = await run(access_token, {'"test"': '"fcarreno"'})
        [written] = re.findall(r"eyJ[\w.-]+", refresh_token.command)
        fresh = await run(refresh_token, {written: tokens.body["refresh"]})
        assert (fresh.status, shape(fresh.body)) == (200, shape(refresh_token.answers[0]))
        token = fresh.body["access"]

        users = await run(available)
        assert (users.status, shape(users.body)) == (200, shape(available.answers[0]))
        ids = [user["id"] for user in users.body]
        assert ids == sorted(ids)
        assert {andres.id, carlos.id, fabra.id} <= set(ids)
        assert frank.id not in ids
        cars = await run(found)
        assert (cars.status, shape(cars.body)) == (200, shape(found.answers[0]))
        [expected] = found.answers[0]
        assert andres.id not in [user["id"] for user in cars.body]
        [car] = [user for user in cars.body if user["id"] == carlos.id]
        assert car == expected | {"id": carlos.id, "avatar_url": car["avatar_url"]}

        first = {"message": "mensaje de prueba para", "user_id": andres.id}
        await frank.do("POST", "send_message_to_user/", 201, json=first)
        direct = await run(to_user, {'"user_id": 7': f'"user_id": {andres.id}'})
        # The README leaves out the id of the room here alone.
        assert (direct.status, shape(direct.body)) == (
            201,
            {"id": "int"} | shape(to_user.answers[0]),
        )
        assert direct.body["title"] == "fcarreno - palmieri"
        assert said(direct) == [
            (frank.id, "mensaje de prueba para"),
            (frank.id, "this is a test message"),
        ]

        everybody = f"[{carlos.id}, {fabra.id}, {andres.id}, {frank.id}]"
        room = await run(new_room, {"[3, 5 , 7, 1]": everybody})
        assert (room.status, shape(room.body)) == (201, shape(new_room.answers[0]))
        assert (room.body["title"], room.body["messages"]) == ("new test room chat", [])
        group = room.body["id"]
        sent = await run(to_room, {'"group_id": 12': f'"group_id": {group}'})
        assert (sent.status, shape(sent.body)) == (201, shape(to_room.answers[0]))
        assert said(sent) == [(frank.id, "new message for new room")]
        assert await fabra.texts(group) == ["new message for new room"]

        file = tmp_path / "saitama.jpeg"
        file.write_bytes(jpeg_of(PICTURE_BYTES - len(FORM.format(name=file.name))))
        paths = {"/home/fcarreno/Pictures/saitama.jpeg": str(file)}
        changed = await run(pic, paths | {"profiles/10/": f"profiles/{frank.id}/"})
        assert (changed.status, shape(changed.body)) == (202, shape(pic.answers[0]))
        assert changed.body["avatar"].startswith(f"{CONDOR}/media/avatar_files/")
        refused = await run(pic, paths | {"profiles/10/": f"profiles/{carlos.id}/"})
        assert refused == Answer(400, pic.answers[1])


def said(answer: Answer) -> list[tuple[int, str]]:
    """Return the senders and texts of the messages of a room."""
    return [(message["sender"], message["content"]) for message in answer.body["messages"]]


def jpeg_of(size: int) -> bytes:
    """Return an image whose file has a number of bytes: what follows an image is ignored."""
    file = BytesIO()
    Image.new("RGB", (30, 30), "green").save(file, "JPEG")
    return file.getvalue().ljust(size, b"\0")


async def test_users_of_bpo_chat_sign_up_and_chat_with_each_other_and_with_xmpp(
    signing_in: SigningIn,
) -> None:
    server = signing_in.server
    [account] = server.accounts("carol")
    async with programs(signing_in, BPO, 2) as (akram, mabel):
        for program, name in ((akram, "akram"), (mabel, "mabel")):
            fields = {
                "username": name,
                "email": f"{name}@mail.example",
                "password": "password123",
                "password2": "password123",
            }
            await program.do("POST", "users/signup/", 201, json=fields)
            del fields["username"], fields["password2"]
            await program.sign_in("users/login/", fields)
        chat = await akram.do("POST", "chats/", json={"username": "mabel"})
        path = f"chats/{chat['uri']}/messages/"
        await akram.do("POST", path, json={"message": "hello world"})
        direct_path = path

        async def texts_of_mabel() -> list[str]:
            messages = (await mabel.do("GET", direct_path))["messages"]
            return [f"{item['user']['username']}: {item['message']}" for item in messages]

        await until(lambda: _equal(texts_of_mabel, ["akram: hello world"]))

        # A room that others join by its uri.
        room = await akram.do("POST", "chats/", json={"username": "akram"})
        in_room = f"chats/{room['uri']}/messages/"
        await mabel.do("GET", in_room, 404)
        joined = await mabel.do("PATCH", f"chats/{room['uri']}/", json={})
        assert [user["username"] for user in joined["members"]] == ["akram", "mabel"]
        await mabel.do("POST", in_room, json={"message": "in the room"})
        read = await akram.do("GET", in_room)
        assert [message["message"] for message in read["messages"]] == ["in the room"]

        async with server.client(account) as phone:
            await phone.be_available()
            name = account.jid.partition("@")[0]
            with_carol = await akram.do("POST", "chats/", json={"username": name})
            path = f"chats/{with_carol['uri']}/messages/"
            await akram.do("POST", path, json={"message": "to the phone"})
            received = await phone.wait_for_body("to the phone")
            phone.say((received.get("from") or "").partition("/")[0], "from the phone")

            async def texts() -> list[str]:
                messages = (await akram.do("GET", path))["messages"]
                return [message["message"] for message in messages]

            await until(lambda: _equal(texts, ["to the phone", "from the phone"]))
        listed = (await akram.do("GET", "chats/"))["message"]
        assert {row["uri"] for row in listed} == {chat["uri"], room["uri"], with_carol["uri"]}
