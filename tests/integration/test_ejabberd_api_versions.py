"""/api/v0 to /api/v3 answer like an ejabberd that knows the version, whatever release is behind.

The same calls go to Muniment and to a real ejabberd of the newest release, which has accounts,
contacts and rooms of the same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.ejabberd import Account
from support.ejabberd_api_server import ApiServer, Reply, api_server
from support.releases import Release, unpacked, versions

from component.core.ejabberd_api.catalogue import NATIVE

pytestmark = pytest.mark.every_ejabberd

HOST = "one.test"
ROOMS = f"conference.{HOST}"
ALICE = {"user": "alice", "host": HOST}
NOBODY = {"user": "nobody", "host": HOST}
ROOM = {"name": "garden", "service": ROOMS}
NO_ROOM = {"name": "desert", "service": ROOMS}
ELSEWHERE = {"name": "garden", "service": "nowhere.test"}
PRESENCE = {"resource": "r", "type": "available", "show": "away", "status": "x"}
CONTACT = {
    "localuser": "alice",
    "localserver": HOST,
    "user": "bob",
    "server": HOST,
    "nick": "Bob",
    "subs": "both",
}
INVITATION = {**ROOM, "password": "", "reason": "Come"}
MESSAGE = {"type": "chat", "from": f"alice@{HOST}", "to": f"bob@{HOST}", "subject": ""}

#: The calls in the order in which both servers get them, with and without mistakes.
CALLS: tuple[tuple[str, Any], ...] = (
    ("status", {"a": 1}),
    ("status", b"{"),
    ("status", b"[1]"),
    ("status", b"5"),
    ("nonexisting_command_x", {}),
    ("register", {"user": "alice", "host": HOST, "password": "x"}),
    ("register", {"user": "new", "host": "nowhere.test", "password": "x"}),
    ("register", {"user": "new", "host": HOST, "password": "x"}),
    ("register", {"user": "new"}),
    ("check_account", {}),
    ("check_account", {"user": 5, "host": HOST}),
    ("check_account", {"user": None, "host": HOST}),
    ("check_account", {"user": {"a": "b"}, "host": HOST}),
    ("check_account", {"user": ["al", "ice"], "host": HOST}),
    ("check_account", ALICE),
    ("check_account", NOBODY),
    ("check_account", b'{"user": "alice", "host": "one.test", "user": "nobody"}'),
    ("check_account", b'{"user": "nobody", "host": "one.test", "user": "alice"}'),
    ("change_password", {**NOBODY, "newpass": "x"}),
    ("change_password", {"user": "new", "host": HOST, "newpass": "y"}),
    ("unregister", {"user": "new", "host": "nowhere.test"}),
    ("unregister", {"user": "new", "host": HOST}),
    ("unregister", NOBODY),
    ("create_room", {**ROOM, "host": HOST}),
    ("create_room", {**ROOM, "host": HOST}),
    ("create_room", {**ELSEWHERE, "host": HOST}),
    ("create_room", {**NO_ROOM, "host": "nowhere.test"}),
    ("muc_online_rooms", {"service": ROOMS}),
    ("muc_online_rooms", {"host": ROOMS}),
    ("muc_online_rooms", {"service": "nowhere.test"}),
    ("get_room_occupants", ROOM),
    ("get_room_occupants", NO_ROOM),
    ("get_room_options", NO_ROOM),
    ("send_direct_invitation", {**INVITATION, "users": f"bob@{HOST}"}),
    ("send_direct_invitation", {**INVITATION, "users": [f"bob@{HOST}"]}),
    ("send_direct_invitation", {**INVITATION, **NO_ROOM, "users": f"bob@{HOST}"}),
    ("get_user_rooms", ALICE),
    ("destroy_room", NO_ROOM),
    ("destroy_room", ELSEWHERE),
    ("destroy_room", ROOM),
    ("send_message", {**MESSAGE, "body": "Hello"}),
    ("send_message", {**MESSAGE, "to": "@@", "body": "Hello"}),
    ("send_message", MESSAGE),
    ("get_presence", ALICE),
    ("get_presence", {"user": "alice", "server": HOST}),
    ("set_presence", {**ALICE, **PRESENCE, "priority": "1"}),
    ("set_presence", {**ALICE, **PRESENCE, "priority": 1}),
    ("add_rosteritem", {**CONTACT, "group": "x"}),
    ("add_rosteritem", {**CONTACT, "groups": ["x", "y"]}),
    ("get_roster", ALICE),
    ("get_roster", {**ALICE, "server": HOST}),
    ("get_roster", NOBODY),
    ("delete_rosteritem", {key: CONTACT[key] for key in CONTACT if key not in ("nick", "subs")}),
    ("get_roster", ALICE),
    ("get_vcard", {**NOBODY, "name": "FN"}),
    ("get_vcard", ALICE),
    ("set_vcard", {**ALICE, "name": "FN", "content": "Alice"}),
    ("get_vcard", {**ALICE, "name": "FN"}),
    ("get_vcard", {**ALICE, "name": "TITLE"}),
    ("connected_users", {}),
    ("connected_users_number", {}),
    ("connected_users_info", {}),
    ("user_sessions_info", ALICE),
    ("get_offline_count", ALICE),
)

#: Commands whose results tell the release itself.
TELLING_RELEASE = {"status"}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("behind"), release) as server:
        yield server


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An ejabberd of the newest release, to compare with."""
    with api_server(tmp_path_factory.mktemp("newest"), unpacked(versions()[-1])) as server:
        yield server


def normalised(command: str, reply: Reply) -> tuple[int, Any]:
    """Return the status and the JSON, without what differs between two servers."""
    data = reply.data
    if command == "get_offline_count" and reply.status == 200:
        # One of them may not have stored the message yet.
        data = type(data).__name__
    return reply.status, data


def test_each_native_command_is_compared() -> None:
    untold = {"get_room_options", *TELLING_RELEASE}

    assert {definition.name for definition in NATIVE} - {name for name, _ in CALLS} <= untold


@pytest.mark.parametrize("version", [0, 1, 2, 3])
async def test_answers_are_those_of_ejabberd(
    behind: ApiServer, newest: ApiServer, version: int
) -> None:
    behind.server.ejabberd.register(Account("alice", HOST, "x"), Account("bob", HOST, "x"))
    newest.server.ejabberd.register(Account("alice", HOST, "x"), Account("bob", HOST, "x"))
    is_24_12 = behind.server.ejabberd.release.version == "24.12"
    differences = []

    for command, arguments in CALLS:
        if command == "get_room_options" and is_24_12:
            continue  # it answers 400 over HTTP
        ours = await behind.call(behind.admin, f"v{version}/{command}", arguments)
        real = await newest.ask_ejabberd(f"{command}/v{version}", arguments)
        if normalised(command, ours) != normalised(command, real):
            differences.append(
                (command, arguments, ours.status, ours.data, real.status, real.data)
            )

    assert differences == []


async def test_status_is_that_of_the_ejabberd_behind(behind: ApiServer) -> None:
    ours = await behind.call(behind.admin, "v3/status")

    assert ours.status == 200
    assert ours.data == (await behind.ask_ejabberd("status")).data


async def test_options_of_a_room_are_those_of_the_ejabberd_behind(behind: ApiServer) -> None:
    room = {"name": "options", "service": ROOMS}
    await behind.call(behind.admin, "v3/create_room", {**room, "host": HOST})

    ours = await behind.call(behind.admin, "v3/get_room_options", room)
    real = await behind.ask_ejabberd("get_room_options", room)

    if behind.server.ejabberd.release.version == "24.12":
        # It fails to write them, so they come from the room itself.
        assert real.status == 400
        assert (ours.status, ours.data["public"], ours.data["persistent"]) == (
            200,
            "true",
            "false",
        )
    else:
        assert (ours.status, ours.data) == (real.status, real.data)


@pytest.mark.parametrize("version", [0, 3])
async def test_refusals_of_callers_are_those_of_ejabberd(
    behind: ApiServer, newest: ApiServer, version: int
) -> None:
    wrong = Account("admin", HOST, "wrong")
    for command, account in (("status", wrong), ("status", None), ("nonexisting_x", None)):
        ours = await behind.call(account, f"v{version}/{command}")
        if account is not None or command != "status":
            async with newest.session(account) as http:
                url = f"{newest.ejabberd_url}/{command}/v{version}"
                async with http.post(url, json={}) as response:
                    assert (ours.status, ours.data) == (response.status, await response.json())
        else:
            assert ours.status == 401
