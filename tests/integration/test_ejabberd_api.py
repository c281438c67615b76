"""ejabberd's API on real servers: truth about delivery, permissions, an absent mod_http_api."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from support.command import run_command
from support.ejabberd import Account
from support.ejabberd_api_server import ApiServer, Reply, api_server, post
from support.ports import LOOPBACK, free_port
from support.releases import Release
from support.stanzas import CLIENT

HOST = "one.test"
SERVICE = f"conference.{HOST}"

BLOCK = "<block xmlns='urn:xmpp:blocking'><item jid='{}'/></block>"

OK = {"result": "ok"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[ApiServer]:
    passed_on = ["registered_users", "no_such_command_at_all"]
    options = {"ejabberd_api": {"passed_on": passed_on, "oauth": True}}
    with api_server(tmp_path_factory.mktemp("api"), release, options) as server:
        yield server


async def message(
    api: ApiServer, caller: Account, to: str, body: str, type: str = "chat", **query: str
) -> Reply:
    """Return the answer to a message that the caller sends as itself."""
    arguments = {"type": type, "from": caller.jid, "to": to, "subject": "", "body": body}
    return await api.call(caller, "send_message", arguments, **query)


async def new_room(api: ApiServer, **options: str) -> str:
    """Create a room with options, and return its JID."""
    name = f"room-{secrets.token_hex(3)}"
    room = {"name": name, "service": SERVICE}
    assert (await api.call(api.admin, "create_room", {**room, "host": HOST})).data == OK
    for option, value in options.items():
        changed = await api.ask_ejabberd(
            "change_room_option", {**room, "option": option, "value": value}
        )
        assert changed.status == 200, changed.data
    return f"{name}@{SERVICE}"


async def test_confirmed_message_to_nobody_is_refused(api: ApiServer) -> None:
    alice = api.server.account("alice")

    unconfirmed = await message(api, alice, f"nobody@{HOST}", "Hello")
    confirmed = await message(api, alice, f"nobody@{HOST}", "Hello", confirm="1")

    assert (unconfirmed.status, unconfirmed.data) == (200, OK)
    assert (confirmed.status, confirmed.data["error"]) == (409, "service_unavailable")


async def test_message_in_the_archive_of_its_sender_is_confirmed(api: ApiServer) -> None:
    alice, bob = api.server.accounts("alice", "bob")

    answer = await message(api, alice, bob.jid, "Hello", confirm="1", id="c-1")
    page = await api.call(alice, "mam_retrieve", {"user": alice.user, "host": HOST})

    [archived] = page.data["result"]["messages"]
    assert (answer.status, answer.data["result"]) == (
        200,
        {
            "outcome": "archived",
            "by": alice.jid,
            "message_id": "c-1",
            "archive_id": archived["id"],
            "repeated": False,
        },
    )


async def test_message_that_its_room_reflects_is_confirmed_by_the_room(api: ApiServer) -> None:
    alice, carol = api.server.accounts("alice", "carol")
    room = await new_room(api)
    async with api.server.client(carol) as client:
        await client.be_available()
        await client.join(room, "carol")

        planned = await message(api, alice, room, "Hello", "groupchat", confirm="1", dry_run="1")
        answer = await message(api, alice, room, "Hello", "groupchat", confirm="1")

        way = f"a session of {alice.jid} that Muniment keeps"
        assert (planned.status, planned.data["result"]["run_by"]) == (200, way)
        result = answer.data["result"]
        assert (answer.status, result["outcome"], result["by"]) == (200, "reflected", room)
        assert result["archive_id"]
        await client.wait_for_body("Hello")
        texts = [stanza.findtext(f"{CLIENT}body") for stanza in client.received]
        assert texts.count("Hello") == 1


async def test_message_with_the_id_of_one_before_a_restart_is_sent_once(api: ApiServer) -> None:
    alice, bob = api.server.accounts("alice", "bob")
    first = await message(api, alice, bob.jid, "once", confirm="1", id="r-1")

    await asyncio.to_thread(api.server.muniment.restart)

    again = await message(api, alice, bob.jid, "once", confirm="1", id="r-1")
    other = await message(api, alice, bob.jid, "something else", confirm="1", id="r-1")
    assert again.data["result"] == {**first.data["result"], "repeated": True}
    assert (other.status, other.data["error"]) == (409, "conflict")


async def test_message_with_an_id_is_sent_once(api: ApiServer) -> None:
    alice, bob = api.server.accounts("alice", "bob")
    async with api.server.client(bob) as client:
        await client.be_available()

        answers = [await message(api, alice, bob.jid, "once", id="m-1") for _ in range(3)]
        other = await message(api, alice, bob.jid, "something else", id="m-1")
        await message(api, alice, bob.jid, "last", confirm="1")

        assert [answer.data for answer in answers] == [OK] * 3
        assert (other.status, other.data["error"]) == (409, "conflict")
        await client.wait_for_body("last")
        texts = [stanza.findtext(f"{CLIENT}body") for stanza in client.received]
        assert texts.count("once") == 1


async def test_message_to_a_room_of_members_is_refused_with_the_reason(api: ApiServer) -> None:
    alice = api.server.account("alice")
    room = await new_room(api, members_only="true")

    answer = await message(api, alice, room, "Let me in", "groupchat")

    assert (answer.status, answer.data["error"]) == (403, "registration_required")


async def test_message_to_no_room_is_refused_and_creates_none(api: ApiServer) -> None:
    alice = api.server.account("alice")
    for _ in range(2):
        answer = await message(api, alice, f"desert@{SERVICE}", "Anybody?", "groupchat")
        assert (answer.status, answer.data["error"]) == (404, "room_not_found")


@pytest.mark.parametrize("is_admin", [False, True])
async def test_missing_room_has_one_name_in_all_commands(api: ApiServer, is_admin: bool) -> None:
    alice = api.server.account("alice")
    caller = api.admin if is_admin else alice
    user, room = {"user": alice.user, "host": HOST}, {"room": "desert", "service": SERVICE}
    text = {"from": alice.jid, "to": f"desert@{SERVICE}", "subject": "", "body": "Anybody?"}

    answers = {
        "join_room": await api.call(caller, "join_room", {**user, **room, "nick": alice.user}),
        "leave_room": await api.call(caller, "leave_room", {**user, **room}),
        "send_message": await api.call(caller, "send_message", {**text, "type": "groupchat"}),
        "destroy_room": await api.call(api.admin, "destroy_room", room),
        "get_room_occupants": await api.call(api.admin, "get_room_occupants", room),
        "send_direct_invitation": await api.call(
            api.admin,
            "send_direct_invitation",
            {**room, "password": "", "reason": "", "users": [alice.jid]},
        ),
    }
    if not is_admin:
        answers["confirm"] = await api.call(
            alice, "send_message", {**text, "type": "groupchat"}, confirm="1"
        )

    for command, answer in answers.items():
        assert (command, answer.status, answer.data["error"]) == (command, 404, "room_not_found")


async def test_longest_text_is_archived_and_a_longer_one_is_refused(api: ApiServer) -> None:
    alice, bob = api.server.accounts("alice", "bob")
    maximum = (1024 * 1024 - 16 * 1024) // 5

    refused = await message(api, alice, bob.jid, "&" * (maximum + 1))
    sent = await message(api, alice, bob.jid, "&" * maximum)

    assert (refused.status, refused.data["error"]) == (413, "policy_violation")
    assert sent.data == OK
    async with asyncio.timeout(30):
        messages: list[dict[str, Any]] = []
        while not messages:
            # ejabberd answers before the copy for the archive has arrived.
            page = await api.call(alice, "mam_retrieve", {"user": alice.user, "host": HOST})
            messages = page.data["result"]["messages"]
    assert [len(item["body"]) for item in messages] == [maximum]


async def test_confirmed_message_that_its_recipient_blocks_is_refused_each_time(
    api: ApiServer,
) -> None:
    alice, bob = api.server.accounts("alice", "bob")
    async with api.server.client(bob) as client:
        await client.be_available()
        await client.ask("set", BLOCK.format(alice.jid))

        answers = [
            await message(api, alice, bob.jid, "Hello", confirm="1", id="b-1") for _ in range(2)
        ]

    assert [(answer.status, answer.data["error"]) for answer in answers] == [
        (409, "service_unavailable")
    ] * 2


async def test_admin_confirms_a_message_of_a_user_who_is_signed_in(api: ApiServer) -> None:
    alice, bob = api.server.accounts("alice", "bob")
    text = {"type": "chat", "from": alice.jid, "to": bob.jid, "subject": "", "body": "Hello"}
    before = await api.call(api.admin, "send_message", text, confirm="1", id="a-1")
    await api.sign_in(alice)

    answer = await api.call(api.admin, "send_message", text, confirm="1", id="a-1")

    assert (before.status, before.data["error"]) == (409, "no_session")
    assert (answer.status, answer.data["result"]["outcome"]) == (200, "archived")


async def test_one_conversation_is_erased_from_an_archive(api: ApiServer) -> None:
    alice, bob, carol = api.server.accounts("alice", "bob", "carol")
    own = {"user": alice.user, "host": HOST}
    for peer in (bob, carol):
        await message(api, alice, peer.jid, f"Hello {peer.user}", confirm="1")

    erased = await api.call(api.admin, "mam_remove_archive", {**own, "with": bob.jid})

    assert erased.data == OK
    page = await api.call(alice, "mam_retrieve", own)
    bodies = [item.get("body") for item in page.data["result"]["messages"]]
    assert [body for body in bodies if body] == [f"Hello {carol.user}"]


async def test_admin_sends_as_a_subscriber_of_the_room(api: ApiServer) -> None:
    bob, carol = api.server.accounts("bob", "carol")
    room = await new_room(api, allow_subscription="true")
    name = room.partition("@")[0]
    account = {"user": bob.user, "host": HOST, "room": name, "service": SERVICE}
    hello = {"type": "groupchat", "from": bob.jid, "to": room, "subject": "", "body": "Hello"}
    async with api.server.client(carol) as client:
        await client.be_available()
        await client.join(room, "carol")

        outside = await api.call(api.admin, "send_message", hello)
        joined = await api.call(api.admin, "join_room", {**account, "nick": "Bob"})
        inside = await api.call(api.admin, "send_message", hello)

        assert (outside.status, outside.data["error"]) == (403, "not_in_room")
        assert outside.headers["Muniment-Rule"] == "room-occupancy"
        assert (joined.data, inside.data) == (OK, OK)
        await client.wait_for_body("Hello")
    assert (await api.call(api.admin, "leave_room", account)).data == OK


async def test_user_sees_no_closed_room_without_being_a_member(api: ApiServer) -> None:
    alice = api.server.account("alice")
    room = await new_room(api, public="false")
    arguments = {"name": room.partition("@")[0], "service": SERVICE}

    hidden = await api.call(alice, "get_room_occupants", arguments)
    listed = await api.call(alice, "muc_online_rooms", {"service": SERVICE})
    all_rooms = await api.call(api.service, "muc_online_rooms", {"service": SERVICE})

    assert (hidden.status, hidden.headers["Muniment-Rule"]) == (403, "room-visibility")
    assert room not in listed.data["result"]
    assert room in all_rooms.data["result"]


async def test_room_that_a_user_creates_belongs_to_the_user(api: ApiServer) -> None:
    alice = api.server.account("alice")
    room = {"name": f"mine-{secrets.token_hex(3)}", "service": SERVICE}

    created = await api.call(alice, "create_room", {**room, "host": HOST})

    assert created.data == OK
    affiliation = await api.ask_ejabberd("get_room_affiliation/v2", {**room, "jid": alice.jid})
    if affiliation.status == 400:  # this release takes no version in a path
        affiliation = await api.ask_ejabberd("get_room_affiliation", {**room, "jid": alice.jid})
    assert "owner" in str(affiliation.data)


async def test_nobody_is_invited_in_the_name_of_a_user(api: ApiServer) -> None:
    alice, bob, carol = api.server.accounts("alice", "bob", "carol")
    room = {"name": bob.jid.partition("@")[0], "service": HOST}
    invitation = {**room, "password": "", "reason": "", "users": [carol.jid]}

    created = await api.call(alice, "create_room", {**room, "host": HOST})
    await api.call(alice, "send_direct_invitation", invitation)

    assert (created.status, created.headers["Muniment-Rule"]) == (403, "room-service")
    waiting = await api.call(
        api.admin, "get_offline_count", {"user": carol.jid.partition("@")[0], "host": HOST}
    )
    assert waiting.data == {"result": 0}


async def test_dry_run_sends_nothing(api: ApiServer) -> None:
    alice, bob = api.server.accounts("alice", "bob")
    async with api.server.client(bob) as client:
        await client.be_available()

        dry = await message(api, alice, bob.jid, "dry", dry_run="1")
        await message(api, alice, bob.jid, "wet", confirm="1")

        assert dry.data["result"]["run_by"] == f"ejabberd, as {alice.jid}"
        await client.wait_for_body("wet")
        texts = [stanza.findtext(f"{CLIENT}body") for stanza in client.received]
        assert "dry" not in texts


async def test_command_is_passed_on_to_ejabberd_for_admins(api: ApiServer) -> None:
    alice = api.server.account("alice")

    passed = await api.call(api.admin, "registered_users", {"host": HOST})
    refused = await api.call(alice, "registered_users", {"host": HOST})
    unknown = await api.call(api.admin, "no_such_command_at_all")

    assert passed.status == 200
    assert alice.user in passed.data["result"]
    assert (refused.status, refused.headers["Muniment-Rule"]) == (403, "passed-on")
    assert (unknown.status, unknown.data["error"]) == (404, "unknown_endpoint")


@pytest.mark.parametrize(
    ("scopes", "seconds", "status"),
    [
        (["ejabberd:admin"], 60, 200),
        (["ejabberd:user"], 60, 403),
        (["sasl_auth", "ejabberd:admin"], 60, 200),
        (["sasl_auth"], 60, 401),
        (["not_ejabberd:admin", "ejabberd:users"], 60, 401),
        (["ejabberd:admin"], -1, 401),
    ],
)
async def test_oauth_token_of_ejabberd_authenticates_within_its_scope(
    api: ApiServer, scopes: list[str], seconds: int, status: int
) -> None:
    token = secrets.token_hex(16)
    # As ejabberd keeps the tokens that it issues; Debian's has no library to issue them.
    scope = ", ".join(f'<<"{scope}">>' for scope in scopes)
    fields = (
        f'<<"{token}">>, {{<<"admin">>, <<"{HOST}">>}}, [{scope}], '
        f"erlang:system_time(second) + ({seconds})"
    )
    written = api.server.ejabberd.evaluate(f"mnesia:dirty_write({{oauth_token, {fields}}})")
    assert written == "ok"
    user = {"user": "admin", "host": HOST}

    async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        answer = await post(http, f"{api.url}/api/v3/user_sessions_info", user, {})
        destroying = {"name": "no-room", "service": SERVICE}
        privileged = await post(http, f"{api.url}/api/v3/destroy_room", destroying, {})

    assert answer.status == (401 if status == 401 else 200)
    # There is no such room.
    assert privileged.status == (400 if status == 200 else status)


async def test_password_changed_over_the_api_ends_the_old_one_at_once(api: ApiServer) -> None:
    alice = api.server.account("alice")
    assert (await api.call(alice, "status")).status == 200
    arguments = {"user": alice.user, "host": HOST, "newpass": "another"}

    assert (await api.call(api.admin, "change_password", arguments)).data == OK

    assert (await api.call(alice, "status")).status == 401


async def test_no_secret_reaches_the_audit_log_or_the_log(api: ApiServer) -> None:
    alice, bob = api.server.accounts("alice", "bob")
    word = f"secret-{secrets.token_hex(4)}"
    await message(api, alice, bob.jid, word)
    user = {"user": f"new-{secrets.token_hex(3)}", "host": HOST, "password": word}
    await api.call(api.admin, "register", user)

    muniment = api.server.muniment
    async with (
        ClientSession(headers={"X-Api-Key": muniment.secret}) as http,
        http.get(f"{muniment.url}/api/v1/audit") as response,
    ):
        audited = await response.text()

    assert '"api send_message"' in audited
    assert '"api register"' in audited
    for text in (audited, muniment.log):
        assert word not in text
        assert alice.password not in text


def doctor(folder: Path) -> dict[str, Any]:
    """Return the finding of `muniment doctor` about ejabberd's API."""
    doctor = run_command("doctor", "--json", "--config", str(folder / "muniment.toml"))
    [finding] = [
        item for item in json.loads(doctor.stdout)["findings"] if item["check"] == "ejabberd-api"
    ]
    return finding


def test_doctor_finds_ejabberds_commands(api: ApiServer) -> None:
    finding = doctor(api.server.muniment.folder)

    assert finding["severity"] == "ok", finding


async def test_absent_mod_http_api_is_502_and_other_commands_go_on(api: ApiServer) -> None:
    """Access tokens are checked without ejabberd, and archives are read without it."""
    alice = api.server.account("alice")
    own = {"user": alice.user, "host": HOST}
    tokens = await api.sign_in(alice)
    muniment, url = api.server.muniment, api.ejabberd_url
    muniment.set_option("accounts", "api_url", f"http://{LOOPBACK}:{free_port()}/api")
    try:
        await asyncio.to_thread(muniment.restart)
        async with ClientSession(
            api.url, headers={"Authorization": f"Bearer {tokens['access_token']}"}
        ) as http:
            native = await post(http, "/api/status", {}, {})
            versioned = await post(http, "/api/v3/status", {}, {})
            archive = await post(http, "/api/mam_retrieve", own, {})
            text = {"type": "chat", "from": alice.jid, "to": f"nobody@{HOST}", "subject": ""}
            sent = await post(http, "/api/send_message", {**text, "body": "x"}, {"id": "u-1"})
        by_password = await api.call(alice, "status")
        finding = await asyncio.to_thread(doctor, muniment.folder)
    finally:
        muniment.set_option("accounts", "api_url", url)
        await asyncio.to_thread(muniment.restart)

    message = "ejabberd does not answer its HTTP API: try again shortly."
    error = {"error": "ejabberd_unreachable", "message": message}
    assert (native.status, native.data) == (502, error)
    assert (by_password.status, by_password.data) == (502, error)
    assert (versioned.status, versioned.data["message"]) == (502, message)
    assert (archive.status, archive.data["result"]["complete"]) == (200, True)
    # A session of the user needs no mod_http_api: ejabberd has refused the message.
    assert (sent.status, sent.data["error"]) == (409, "service_unavailable")
    assert finding["severity"] == "error"
