"""Every request of the document runs as it is written, and does what the document says.

The document is the reference of a deployment of ejabberd. Hosts and ports are other ones here.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from support.ejabberd import Account
from support.ejabberd_api_server import ApiServer, api_server
from support.raw import Client
from support.releases import Release

pytestmark = pytest.mark.every_ejabberd

HOST = "one.test"
SERVICE = f"conference.{HOST}"

OK = {"result": "ok"}

CHAT_STATE = "{http://jabber.org/protocol/chatstates}composing"

#: The workflow at the end of the document.
CURL = """
curl -sS -w '%{{http_code}}\\n' -X POST {url}/api/register \
  -H "Authorization: Basic {admin}" \
  -H "Content-Type: application/json" \
  -d '{{"user": "alice", "host": "{host}", "password": "alice123"}}'
curl -sS -w '%{{http_code}}\\n' -X POST {url}/api/create_room \
  -H "Authorization: Basic {admin}" \
  -H "Content-Type: application/json" \
  -d '{{"name": "team-chat", "service": "conference.{host}", "host": "{host}"}}'
curl -sS -w '%{{http_code}}\\n' -X POST {url}/api/send_message \
  -H "Authorization: Basic {alice}" \
  -H "Content-Type: application/json" \
  -d '{{
    "type": "groupchat",
    "from": "alice@{host}",
    "to": "team-chat@conference.{host}",
    "subject": "",
    "body": "Hello team! 👋"
  }}'
curl -sS -w '%{{http_code}}\\n' -X POST {url}/api/get_room_occupants \
  -H "Authorization: Basic {alice}" \
  -H "Content-Type: application/json" \
  -d '{{"name": "team-chat", "service": "conference.{host}"}}'
"""

#: The script of the document, which says `requests` where this says `urllib`.
SCRIPT = """
import base64
import json
import sys
import urllib.request

base_url, host = sys.argv[1:]
admin_auth = base64.b64encode(f"admin@{host}:password".encode()).decode()

def api_call(endpoint, data, auth=admin_auth):
    headers = {
        "Authorization": f"Basic {auth}",
        "Content-Type": "application/json"
    }
    request = urllib.request.Request(
        f"{base_url}/{endpoint}", json.dumps(data).encode(), headers
    )
    return urllib.request.urlopen(request)

users = ["dora", "emil", "fritz"]
for user in users:
    result = api_call("register", {
        "user": user,
        "host": host,
        "password": f"{user}123"
    })
    print(f"Created user {user}: {result.status}")

room_result = api_call("create_room", {
    "name": "team-room",
    "service": f"conference.{host}",
    "host": host
})
print(f"Created room: {room_result.status}")
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("document"), release) as server:
        yield server


@dataclass(frozen=True)
class Scene:
    """Alice and bob, who call the API; a room of the admin; and clients of bob."""

    api: ApiServer
    alice: Account
    bob: Account
    room: str

    async def call(self, account: Account, command: str, **arguments: Any) -> tuple[int, Any]:
        """Return the status and the body of the answer."""
        reply = await self.api.call(account, command, arguments)
        return reply.status, reply.data

    async def by_admin(self, command: str, **arguments: Any) -> tuple[int, Any]:
        return await self.call(self.api.admin, command, **arguments)

    async def by_alice(self, command: str, **arguments: Any) -> tuple[int, Any]:
        return await self.call(self.alice, command, **arguments)

    @asynccontextmanager
    async def bob_online(self) -> AsyncIterator[Client]:
        """Yield a client of bob that is available."""
        async with self.api.server.client(self.bob) as client:
            await client.be_available()
            yield client

    @property
    def alice_args(self) -> dict[str, str]:
        return {"user": self.alice.user, "host": HOST}

    @property
    def room_args(self) -> dict[str, str]:
        return {"name": self.room, "service": SERVICE}

    @property
    def contact_args(self) -> dict[str, str]:
        return {
            "localuser": self.alice.user,
            "localserver": HOST,
            "user": self.bob.user,
            "server": HOST,
        }

    @property
    def room_jid(self) -> str:
        return f"{self.room}@{SERVICE}"


async def eventually(is_true: Callable[[], Awaitable[bool]]) -> None:
    """Return when something is true that ejabberd does after its answer."""
    async with asyncio.timeout(30):
        while not await is_true():  # noqa: ASYNC110 - ejabberd tells nobody
            await asyncio.sleep(0.1)


@pytest.fixture
async def scene(api: ApiServer) -> Scene:
    alice, bob = api.server.accounts("alice", "bob")
    scene = Scene(api, alice, bob, f"my-room-{secrets.token_hex(3)}")
    assert await scene.by_admin("create_room", **scene.room_args, host=HOST) == (200, OK)
    return scene


async def test_register_check_change_and_unregister(scene: Scene) -> None:
    user = {"user": f"new-{secrets.token_hex(3)}", "host": HOST}

    assert await scene.by_admin("check_account", **user) == (200, {"result": 1})
    assert await scene.by_admin("register", **user, password="alice123") == (200, OK)
    assert await scene.by_admin("check_account", **user) == (200, {"result": 0})
    account = Account(user["user"], HOST, "alice123")
    assert (await scene.call(account, "status"))[0] == 200
    assert await scene.by_admin("change_password", **user, newpass="new") == (200, OK)
    assert (await scene.call(account, "status"))[0] == 401
    assert (await scene.call(Account(account.user, HOST, "new"), "status"))[0] == 200
    status, data = await scene.by_admin("register", **user, password="x")
    assert (status, data["error"]) == (409, "conflict")
    assert await scene.by_admin("unregister", **user) == (200, OK)
    assert await scene.by_admin("check_account", **user) == (200, {"result": 1})


async def test_room_is_listed_described_and_destroyed(scene: Scene) -> None:
    status, rooms = await scene.by_admin("muc_online_rooms", service=SERVICE)
    assert (status, scene.room_jid in rooms["result"]) == (200, True)
    assert await scene.by_admin("get_room_occupants", **scene.room_args) == (200, {"result": []})
    status, options = await scene.by_admin("get_room_options", **scene.room_args)
    assert (status, options["result"]["public"]) == (200, "true")
    assert options["result"]["members_only"] == "false"
    assert await scene.by_admin("destroy_room", **scene.room_args) == (200, OK)
    status, data = await scene.by_admin("get_room_occupants", **scene.room_args)
    assert (status, data["error"]) == (404, "room_not_found")


async def test_message_to_a_user_arrives(scene: Scene) -> None:
    async with scene.bob_online() as bob:
        answer = await scene.by_alice(
            "send_message",
            type="chat",
            **{"from": scene.alice.jid, "to": scene.bob.jid},
            subject="",
            body="Hello Bob! How are you?",
        )

        assert answer == (200, OK)
        await bob.wait_for_body("Hello Bob! How are you?")


async def test_message_to_a_room_reaches_its_occupants_and_the_archive(scene: Scene) -> None:
    async with scene.bob_online() as bob:
        await bob.join(scene.room_jid, "bob")

        answer = await scene.by_alice(
            "send_message",
            type="groupchat",
            **{"from": scene.alice.jid, "to": scene.room_jid},
            subject="",
            body="Hello everyone! 👋",
        )

        assert answer == (200, OK)
        await bob.wait_for_body("Hello everyone! 👋")
    _, page = await scene.by_alice("mam_retrieve", **scene.alice_args)
    assert [message["body"] for message in page["result"]["messages"]] == ["Hello everyone! 👋"]


async def test_message_of_somebody_outside_of_the_room_is_refused(scene: Scene) -> None:
    status, data = await scene.by_admin(
        "send_message",
        type="groupchat",
        **{"from": scene.alice.jid, "to": scene.room_jid},
        subject="",
        body="Hello",
    )

    assert (status, data["error"]) == (403, "not_in_room")


async def test_chat_state_arrives(scene: Scene) -> None:
    arguments = {"from": scene.alice.jid, "to": scene.bob.jid, "state": "composing"}
    async with scene.bob_online() as bob:
        assert await scene.by_alice("send_chat_state", **arguments) == (200, OK)
        await bob.wait_for(lambda stanza: stanza.find(CHAT_STATE) is not None)
    for state in ("active", "inactive", "gone", "paused"):
        assert await scene.by_alice("send_chat_state", **{**arguments, "state": state}) == (
            200,
            OK,
        )


async def test_presence_is_set_and_seen_by_contacts(scene: Scene) -> None:
    shared = {**scene.contact_args, "nick": "", "group": "", "subs": "both"}
    mine = {"localuser": scene.bob.user, "user": scene.alice.user}
    asked = {"user": scene.bob.user, "server": HOST}
    async with scene.bob_online(), scene.api.server.client(scene.alice, "mobile") as mobile:
        await mobile.be_available()
        status, hidden = await scene.by_alice("get_presence", **asked)
        assert (status, hidden["result"]["show"]) == (200, "unavailable")
        assert await scene.by_admin("add_rosteritem", **{**shared, **mine}) == (200, OK)
        status, seen = await scene.by_alice("get_presence", **asked)
        assert (status, seen["result"]["show"]) == (200, "available")

        answer = await scene.by_alice(
            "set_presence",
            **scene.alice_args,
            resource="mobile",
            type="available",
            show="away",
            status="Out for lunch",
            priority="1",
        )

        assert answer == (200, OK)
        own = {"user": scene.alice.user, "server": HOST}
        assert await scene.by_alice("get_presence", **own) == (
            200,
            {
                "result": {
                    "jid": f"{scene.alice.jid}/mobile",
                    "show": "away",
                    "status": "Out for lunch",
                }
            },
        )


async def test_presence_is_set_without_a_session(scene: Scene) -> None:
    presence = {
        **scene.alice_args,
        "resource": "mobile",
        "type": "available",
        "show": "dnd",
        "priority": "1",
    }
    too_long = await scene.by_alice("set_presence", **presence, status="x" * 1001)
    answer = await scene.by_alice("set_presence", **presence, status="Busy")

    assert (too_long[0], too_long[1]["error"]) == (400, "invalid_parameter")
    assert answer == (200, OK)

    async def is_busy() -> bool:
        _, seen = await scene.by_alice("get_presence", user=scene.alice.user, server=HOST)
        return (seen["result"]["show"], seen["result"]["status"]) == ("dnd", "Busy")

    await eventually(is_busy)


async def test_status_is_that_of_the_server(scene: Scene) -> None:
    status, data = await scene.by_admin("status")

    assert status == 200
    assert "is started" in data["result"]


async def test_contact_is_added_listed_and_removed(scene: Scene) -> None:
    own = {"user": scene.alice.user, "server": HOST}
    assert await scene.by_alice("get_roster", **own) == (200, {"result": []})

    answer = await scene.by_alice(
        "add_rosteritem", **scene.contact_args, nick="Bob Smith", group="Friends", subs="both"
    )

    assert answer == (200, OK)
    _, roster = await scene.by_alice("get_roster", **own)
    [contact] = roster["result"]
    assert contact["jid"] == scene.bob.jid
    assert (contact["nick"], contact["groups"]) == ("Bob Smith", ["Friends"])
    assert contact["subscription"] == "both"
    assert await scene.by_alice("delete_rosteritem", **scene.contact_args) == (200, OK)
    assert await scene.by_alice("get_roster", **own) == (200, {"result": []})


async def test_subscription_request_arrives(scene: Scene) -> None:
    async with scene.bob_online() as bob:
        assert await scene.by_alice("subscribe_roster", **scene.contact_args) == (200, OK)
        await bob.wait_for(lambda stanza: stanza.get("type") == "subscribe")
    _, roster = await scene.by_alice("get_roster", user=scene.alice.user, server=HOST)
    [contact] = roster["result"]
    assert (contact["jid"], contact["pending"]) == (scene.bob.jid, "subscribe")
    assert await scene.by_alice("unsubscribe_roster", **scene.contact_args) == (200, OK)


async def test_vcard_is_set_and_returned(scene: Scene) -> None:
    fields = {
        name: f"{name} of Alice"
        for name in (
            *("FN", "GIVEN", "FAMILY", "NICKNAME", "EMAIL", "TEL", "ORG", "TITLE", "DESC"),
        )
    }
    assert await scene.by_alice("get_vcard", **scene.alice_args) == (200, {"result": {}})

    for name, content in fields.items():
        answer = await scene.by_alice("set_vcard", **scene.alice_args, name=name, content=content)
        assert answer == (200, OK)

    assert await scene.by_alice("get_vcard", **scene.alice_args) == (200, {"result": fields})
    one = await scene.by_alice("get_vcard", **scene.alice_args, name="ORG")
    assert one == (200, {"result": "ORG of Alice"})


async def test_vcard_with_one_field_is_returned(scene: Scene) -> None:
    field = {"name": "FN", "content": "Alice Smith"}
    assert await scene.by_alice("set_vcard", **scene.alice_args, **field) == (200, OK)

    whole = await scene.by_alice("get_vcard", **scene.alice_args)
    status, missing = await scene.by_alice("get_vcard", **scene.alice_args, name="TEL")

    assert whole == (200, {"result": {"FN": "Alice Smith"}})
    assert (status, missing["error"]) == (404, "vcard_field_not_found")


async def test_sessions_are_listed_and_counted(scene: Scene) -> None:
    async with scene.bob_online():
        status, users = await scene.by_admin("connected_users")
        assert (status, f"{scene.bob.jid}/phone" in users["result"]) == (200, True)
        status, number = await scene.by_admin("connected_users_number")
        assert (status, number["result"] >= 1) == (200, True)
        status, rows = await scene.by_admin("connected_users_info")
        assert f"{scene.bob.jid}/phone" in [row["jid"] for row in rows["result"]]
        status, rows = await scene.by_admin("user_sessions_info", user=scene.bob.user, host=HOST)
        assert [row["resource"] for row in rows["result"]] == ["phone"]


async def test_waiting_messages_are_counted(scene: Scene) -> None:
    await scene.by_admin(
        "send_message",
        type="chat",
        **{"from": scene.bob.jid, "to": scene.alice.jid},
        subject="",
        body="Are you there?",
    )

    async def is_counted() -> bool:
        own = {"user": scene.alice.user, "server": HOST}
        return await scene.by_alice("get_offline_count", **own) == (200, {"result": 1})

    await eventually(is_counted)


async def test_user_joins_invites_and_leaves(scene: Scene) -> None:
    room = {"room": scene.room, "service": SERVICE}
    async with AsyncExitStack() as stack:
        bob = await stack.enter_async_context(scene.bob_online())
        await bob.join(scene.room_jid, "bob")

        # The document has the name of the account in another case.
        nick = scene.alice.user.capitalize()
        joined = await scene.by_alice("join_room", **scene.alice_args, **room, nick=nick)

        assert joined == (200, OK)
        assert await scene.by_alice("get_user_rooms", **scene.alice_args) == (
            200,
            {"result": [scene.room_jid]},
        )
        status, data = await scene.by_alice("get_room_occupants", **scene.room_args)
        assert scene.alice.user in [row["nick"] for row in data["result"]]

        carol = scene.api.server.account("carol")
        async with scene.api.server.client(carol) as client:
            await client.be_available()
            answer = await scene.by_alice(
                "send_direct_invitation",
                **room,
                password="",
                reason="Join our team discussion",
                users=[carol.jid, f"charlie@{HOST}"],
            )
            assert answer == (200, OK)
            await client.wait_for(lambda stanza: stanza.find("{jabber:x:conference}x") is not None)

        assert await scene.by_alice("leave_room", **scene.alice_args, **room) == (200, OK)
        status, data = await scene.by_alice("leave_room", **scene.alice_args, **room)
        assert (status, data["error"]) == (404, "not_in_room")


async def test_errors_have_the_form_of_the_document(scene: Scene) -> None:
    wrong = Account(scene.alice.user, HOST, "wrong")
    assert await scene.call(wrong, "status") == (
        401,
        {"error": "invalid_credentials", "message": "Authentication failed"},
    )
    for account, command, arguments, status in (
        (scene.alice, "unregister", scene.alice_args, 403),
        (scene.alice, "get_roster", {"user": scene.bob.user, "host": HOST}, 403),
        (scene.api.admin, "no_such_command", {}, 404),
        (scene.api.admin, "register", {"user": "x"}, 400),
    ):
        answer = await scene.call(account, command, **arguments)
        assert (answer[0], sorted(answer[1])) == (status, ["error", "message"])


def test_workflow_of_curl_runs_whole(api: ApiServer) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    script = CURL.format(
        url=api.url,
        host=HOST,
        admin=encoded(f"admin@{HOST}:password"),
        alice=encoded(f"alice@{HOST}:alice123"),
    )
    lines = subprocess.run(
        ["sh", "-e"], input=script, capture_output=True, check=True, text=True
    ).stdout.splitlines()

    assert lines[:3] == ['{"result":"ok"}200'] * 3
    assert lines[3].endswith("200")
    assert '"nick":"alice"' in lines[3]


def test_script_of_the_document_runs_whole(api: ApiServer) -> None:
    lines = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{api.url}/api", HOST],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()

    assert lines == [
        *(f"Created user {user}: 200" for user in ("dora", "emil", "fritz")),
        "Created room: 200",
    ]
