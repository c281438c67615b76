"""Calls over HTTP: dialects, authentication, permissions, the audit log, an absent ejabberd."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import encode_basic_auth
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.ejabberd_api import ADMIN, PERMISSIONS, FakeModHttpApi, with_ejabberd_api
from support.families import FAMILIES
from support.http_services import open_services
from support.sign_in import BOTH, with_sign_in

from component.core.ejabberd_api.callers.oauth import OauthTokens
from component.core.ejabberd_api.callers.passwords import CheckedPasswords
from component.core.ejabberd_api.callers.permissions import Permissions
from component.core.ejabberd_api.catalogue import BY_NAME, DEFINITIONS
from component.core.ejabberd_api.definitions import ArgumentType
from component.core.ejabberd_api.native import rooms
from component.core.ejabberd_api.native.backend import Backend, Reply
from component.core.ejabberd_api.refusals import Unanswered, Unreachable
from component.core.errors import ServerUnreachable
from component.core.tokens.accounts import with_tokens
from component.web.app import make_app
from component.web.ejabberd_api.authentication import authenticate_caller
from component.web.server.settings import Listener, Services

ALICE = "alice@example.org"
PASSWORD = "alice123"

STATUS = "The node is started. ejabberd 26.07 is running in it"


@pytest.fixture
def fake() -> FakeModHttpApi:
    return FakeModHttpApi()


@pytest.fixture
def permissions() -> Permissions:
    return PERMISSIONS


@pytest.fixture
async def services(fake: FakeModHttpApi, permissions: Permissions) -> AsyncIterator[Services]:
    async with open_services() as services:
        for jid in (ADMIN, ALICE):
            await services.accounts.admin.register(jid, PASSWORD)
        signing_in = with_sign_in(services)
        assert signing_in.sign_ins is not None
        accounts = with_tokens(services.accounts, signing_in.sign_ins)
        yield with_ejabberd_api(replace(signing_in, accounts=accounts), fake, permissions)


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    return await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC))


def basic(jid: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": encode_basic_auth(jid, password, encoding="utf-8")}


async def call(
    api: TestClient, jid: str, path: str, query: str = "", **arguments: Any
) -> tuple[int, Any]:
    answer = await api.post(f"/api/{path}{query}", json=arguments, headers=basic(jid))
    return answer.status, await answer.json()


async def test_result_has_the_form_of_the_dialect(api: TestClient, fake: FakeModHttpApi) -> None:
    fake.replies["connected_users_number"] = Reply(200, 2)

    assert await call(api, ADMIN, "connected_users_number") == (200, {"result": 2})
    assert await call(api, ADMIN, "v0/connected_users_number") == (200, {"num_sessions": 2})
    assert await call(api, ADMIN, "v3/connected_users_number") == (200, 2)
    assert await call(api, ADMIN, "connected_users_number/v1") == (200, 2)
    assert await call(api, ADMIN, "v9/connected_users_number") == (200, 2)


async def test_version_with_thousands_of_digits_does_not_exist(api: TestClient) -> None:
    assert (await call(api, ADMIN, f"v{'9' * 5000}/status"))[0] == 404


async def test_acknowledgement_is_ok_in_the_document(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    arguments = {"user": "bob", "host": "example.org", "newpass": "x"}

    assert await call(api, ADMIN, "change_password", **arguments) == (200, {"result": "ok"})
    assert await call(api, ADMIN, "v3/change_password", **arguments) == (200, 0)

    fake.replies["change_password"] = Reply(200, 1)
    status, data = await call(api, ADMIN, "change_password", **arguments)
    assert (status, data["error"]) == (500, "command_failed")


INVITATION = {"room": "r", "service": "conference.example.org", "password": "", "reason": ""}


@pytest.mark.parametrize("release", ["23.01", "24.12", "26.07"])
@pytest.mark.parametrize("users", [{}, {"users": []}])
async def test_invitation_of_nobody_only_looks_for_the_room(
    api: TestClient, fake: FakeModHttpApi, release: str, users: dict[str, Any]
) -> None:
    fake.release = release
    # Releases before 24.12 crash.
    fake.replies["send_direct_invitation"] = Reply(500, "internal_error")
    fake.replies["get_room_occupants"] = [Reply(200, []), Reply(400, "room_not_found")]

    made = await call(api, ADMIN, "send_direct_invitation", **INVITATION, **users)
    missing = await call(api, ADMIN, "send_direct_invitation", **INVITATION, **users)

    assert made == (200, {"result": "ok"})
    assert (missing[0], missing[1]["error"]) == (404, "room_not_found")
    assert {path.partition("/")[0] for path, _ in fake.requests} == {"get_room_occupants"}


@pytest.mark.parametrize(
    ("path", "users"),
    [
        ("send_direct_invitation", ["bob@example.org", ""]),
        ("send_direct_invitation", ["@@"]),
        ("v0/send_direct_invitation", "bob@example.org:@@"),
    ],
)
async def test_invitation_of_what_is_no_jid_is_refused(
    api: TestClient, fake: FakeModHttpApi, path: str, users: object
) -> None:
    status, data = await call(api, ADMIN, path, **INVITATION, users=users)

    assert status == 400
    assert "users: " in str(data)
    assert fake.requests == []


async def test_invitation_of_users_in_one_text_goes_to_ejabberd(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    users = "bob@example.org:carol@example.org"

    assert await call(api, ADMIN, "v0/send_direct_invitation", **INVITATION, users=users) == (
        200,
        0,
    )
    assert fake.requests[0][1]["users"] == users


async def test_response_tells_its_dialect(api: TestClient) -> None:
    for path, version in (("status", "document"), ("v2/status", "2"), ("v7/status", "3")):
        answer = await api.get(f"/api/{path}", headers=basic(ADMIN))
        assert answer.headers["Muniment-Api-Version"] == version


async def test_arguments_come_from_the_query_of_a_get(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    answer = await api.get("/api/check_account?user=bob&host=example.org", headers=basic(ADMIN))

    assert (answer.status, await answer.json()) == (200, {"result": 0})
    assert fake.requests == [("check_account/v3", {"user": "bob", "host": "example.org"})]


@pytest.mark.parametrize(
    ("path", "body", "status", "data"),
    [
        ("v3/status", b"", 400, "Missing POST data"),
        ("v3/status", b"{", 400, "400 Bad Request"),
        ("v3/status", b"[]", 400, "400 Bad Request"),
        ("v3/nothing", b"{}", 404, {"status": "error", "code": 40}),
        ("v3/status", b"{}", 401, {"status": "error", "code": 10}),
        ("status", b"{", 400, {"error": "invalid_json"}),
        ("nothing", b"{}", 404, {"error": "unknown_endpoint"}),
        ("status", b"{}", 401, {"error": "invalid_credentials"}),
    ],
)
async def test_body_is_checked_before_the_name_and_the_name_before_credentials(
    api: TestClient, path: str, body: bytes, status: int, data: Any
) -> None:
    answer = await api.post(f"/api/{path}", data=body)

    assert answer.status == status
    received = await answer.json()
    assert received == data or received.items() >= data.items()


async def test_wrong_password_is_refused_as_the_document_says(api: TestClient) -> None:
    answer = await api.post("/api/status", json={}, headers=basic(ADMIN, "wrong"))

    assert answer.status == 401
    assert await answer.json() == {
        "error": "invalid_credentials",
        "message": "Authentication failed",
    }
    assert "Basic" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("name", ["alice", "alice@elsewhere.example", f"{ALICE}/phone", ""])
async def test_name_that_is_no_jid_of_an_account_is_refused(api: TestClient, name: str) -> None:
    assert (await call(api, name, "status"))[0] == 401


async def test_access_token_authenticates(api: TestClient) -> None:
    answer = await api.post("/api/v1/tokens", json={"jid": ALICE, "password": PASSWORD})
    token = (await answer.json())["access_token"]

    by_bearer = await api.post(
        "/api/status", json={}, headers={"Authorization": f"Bearer {token}"}
    )
    by_password = await api.post("/api/status", json={}, headers=basic(ALICE, token))
    wrong = await api.post("/api/v3/status", json={}, headers={"Authorization": "Bearer x"})

    assert await by_bearer.json() == {"result": STATUS}
    assert await by_password.json() == {"result": STATUS}
    assert (wrong.status, (await wrong.json())["message"]) == (
        401,
        "Oauth Token is invalid or expired.",
    )


async def test_revoked_access_token_is_no_password_any_more(api: TestClient) -> None:
    answer = await api.post("/api/v1/tokens", json={"jid": ALICE, "password": PASSWORD})
    token = (await answer.json())["access_token"]
    before = await api.post("/api/status", json={}, headers=basic(ALICE, token))

    await api.delete("/api/v1/tokens/current", headers={"Authorization": f"Bearer {token}"})

    after = await api.post("/api/status", json={}, headers=basic(ALICE, token))
    assert (before.status, after.status) == (200, 401)


async def test_owner_of_an_oauth_token_cannot_guess_others(
    aiohttp_client: AiohttpClient, services: Services, fake: FakeModHttpApi
) -> None:
    row = {"token": "own", "user": ALICE, "scope": "ejabberd:user", "expires_in": "60 seconds"}
    fake.replies["oauth_list_tokens"] = Reply(200, [row])
    services = replace(services, oauth_tokens=OauthTokens(Backend(fake)))
    api = await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC))

    async def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await api.post("/api/status", json={}, headers=headers)).status

    assert await status("own") == 200
    guesses = [await status(f"guess {number}") for number in range(25)]
    asked = len(fake.requests)
    assert (guesses[0], guesses[-1]) == (401, 429)
    assert await status("one more guess") == 429
    assert len(fake.requests) == asked  # a guess that is refused does not bother ejabberd
    assert await status("own") == 200


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("ejabberd:admin", 200),
        ("sasl_authejabberd:user", 200),
        ("ejabberd:userejabberd:admin", 200),
        ("sasl_auth", 401),
        ("", 401),
        ("not_ejabberd:admin", 401),
        ("ejabberd:administrator", 401),
        ("ejabberd:users", 401),
    ],
)
async def test_scopes_of_an_oauth_token_are_exact(
    aiohttp_client: AiohttpClient,
    services: Services,
    fake: FakeModHttpApi,
    scope: str,
    status: int,
) -> None:
    row = {"token": "own", "user": ALICE, "scope": scope, "expires_in": "60 seconds"}
    fake.replies["oauth_list_tokens"] = Reply(200, [row])
    services = replace(services, oauth_tokens=OauthTokens(Backend(fake)))
    api = await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC))

    answer = await api.post("/api/status", json={}, headers={"Authorization": "Bearer own"})

    assert answer.status == status


async def test_error_outside_of_a_call_has_the_form_of_the_document(api: TestClient) -> None:
    answer = await api.put("/api/status", json={}, headers=basic(ALICE))

    assert answer.status == 405
    assert (await answer.json()).keys() == {"error", "message"}


async def test_too_many_wrong_passwords_are_limited(api: TestClient) -> None:
    for _ in range(20):
        answer = await api.post("/api/status", json={}, headers={"Authorization": "Bearer x"})
    assert answer.status == 401

    limited = await api.post("/api/status", json={}, headers={"Authorization": "Bearer x"})

    assert limited.status == 429
    assert int(limited.headers["Retry-After"]) > 0
    assert (await limited.json())["error"] == "resource_constraint"


async def test_refusal_names_its_rule_and_nothing_is_done(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    for command, arguments, rule in (
        ("unregister", {"user": "bob", "host": "example.org"}, "access.unregister"),
        ("v3/get_roster", {"user": "bob", "host": "example.org"}, "own-account.user"),
    ):
        answer = await api.post(f"/api/{command}", json=arguments, headers=basic(ALICE))
        assert answer.status == 403
        assert answer.headers["Muniment-Rule"] == rule
        text = "AccessRules: Account does not have the right to perform the operation."
        assert (await answer.json())["message"] == text
    assert fake.requests == []


async def test_arguments_are_hidden_from_callers_without_the_role_in_the_document(
    api: TestClient,
) -> None:
    assert (await call(api, ALICE, "unregister"))[0] == 403
    assert await call(api, ALICE, "v3/unregister") == (
        400,
        "Request have missing argument: user",
    )


async def test_audit_log_has_calls_and_refusals_without_secrets(
    api: TestClient, services: Services
) -> None:
    await call(api, ADMIN, "register", user="bob", host="example.org", password="very secret")
    await call(api, ALICE, "unregister", user="bob", host="example.org")
    await call(api, ALICE, "status")
    await call(api, ALICE, "status", secret="very secret")

    entries = await services.storage.audit_log.entries(limit=10, before=None, subject=None)
    assert [
        (entry.actor, entry.action, entry.subject, entry.detail) for entry in reversed(entries)
    ] == [
        (ADMIN, "api register", "bob@example.org", "user bob, host example.org"),
        (ALICE, "api unregister refused", ALICE, "access.unregister"),
        (ALICE, "api status", ALICE, "all"),
        (ALICE, "api status refused", ALICE, "unknown_parameter"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "refused"),
    [
        ("send_message?confirm=yes", {}, "api send_message refused"),
        ("send_message?id=", {}, "api send_message refused"),
        ("status?dry_run=1&dry_run=1", {}, "api status refused"),
        ("v3/status?confirm=1", {}, "api status refused"),
    ],
)
async def test_call_with_wrong_options_is_in_the_audit_log(
    api: TestClient, services: Services, path: str, body: dict[str, Any], refused: str
) -> None:
    answer = await api.post(f"/api/{path}", json=body, headers=basic(ALICE))

    assert answer.status == 400
    [entry] = await services.storage.audit_log.entries(limit=2, before=None, subject=None)
    assert (entry.actor, entry.action, entry.detail) == (ALICE, refused, "invalid_parameter")


async def test_argument_that_a_body_has_twice_is_refused_in_the_document(
    api: TestClient, fake: FakeModHttpApi, services: Services
) -> None:
    twice = b'{"user": "alice", "host": "example.org", "user": "bob", "text": "a: b"}'

    documented = await api.post("/api/check_account", data=twice, headers=basic(ADMIN))

    assert (documented.status, await documented.json()) == (
        400,
        {
            "error": "invalid_parameter",
            "message": "Request have duplicate argument: user",
        },
    )
    assert fake.requests == []
    [entry] = await services.storage.audit_log.entries(limit=2, before=None, subject=None)
    assert entry.action == "api check_account refused"


async def test_first_one_of_an_argument_counts_in_the_versions_of_ejabberd(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    twice = b'{"user": "alice", "host": "example.org", "user": "bob"}'

    answer = await api.post("/api/v3/get_roster", data=twice, headers=basic(ALICE))

    # It counts for the rule about the own account too.
    assert answer.status == 200
    assert fake.requests == [("get_roster/v3", {"user": "alice", "host": "example.org"})]


@pytest.mark.parametrize("nested", [b'{"a":' * 900 + b"1" + b"}" * 900, b"1" * 5000])
async def test_body_that_no_parser_takes_twice_is_refused(api: TestClient, nested: bytes) -> None:
    body = b'{"user": "a", "user": ' + nested + b"}"

    answer = await api.post("/api/check_account", data=body, headers=basic(ADMIN))

    assert answer.status == 400


async def test_audit_log_has_the_beginning_of_long_arguments(
    api: TestClient, services: Services
) -> None:
    await call(api, ADMIN, "check_account", user="x" * 100_000, host="example.org")

    [entry] = await services.storage.audit_log.entries(limit=1, before=None, subject=None)
    assert (len(entry.subject), len(entry.detail)) == (3071, len("user , host example.org") + 3071)


async def test_unreachable_ejabberd_is_502_in_the_form_of_the_dialect(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    fake.is_up = False

    message = "ejabberd does not answer its HTTP API: try again shortly."
    assert await call(api, ADMIN, "status") == (
        502,
        {"error": "ejabberd_unreachable", "message": message},
    )
    assert await call(api, ADMIN, "v3/status") == (
        502,
        {"status": "error", "code": 0, "message": message},
    )


class Unable:
    """Accounts of an ejabberd that does not answer."""

    async def authenticate(self, jid: str, password: str) -> bool:
        raise ServerUnreachable


async def test_password_that_cannot_be_checked_is_502_and_a_token_goes_on(
    aiohttp_client: AiohttpClient, services: Services, fake: FakeModHttpApi
) -> None:
    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(ALICE, PASSWORD, "test")
    unable = replace(services, checked_passwords=CheckedPasswords(Unable()))
    api = await aiohttp_client(make_app(BOTH, unable, Listener.PUBLIC))

    assert await call(api, ALICE, "status") == (
        502,
        {
            "error": "ejabberd_unreachable",
            "message": "ejabberd does not answer its HTTP API: try again shortly.",
        },
    )
    bearer = {"Authorization": f"Bearer {tokens.access_token}"}
    assert (await api.post("/api/status", json={}, headers=bearer)).status == 200


async def test_room_without_owner_is_destroyed_if_ejabberd_refuses_the_owner(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    room = {"room": "garden", "service": "conference.example.org", "host": "example.org"}
    fake.replies["set_room_affiliation"] = Unanswered()

    status, data = await call(api, ALICE, "create_room", **room)

    assert (status, data["error"]) == (502, "ejabberd_unreachable")
    assert [path.partition("/")[0] for path, _ in fake.requests] == [
        "create_room",
        "set_room_affiliation",
        "destroy_room",
    ]


@pytest.mark.parametrize("query", ["", "?dry_run=1"])
async def test_user_creates_no_room_on_a_domain_of_users(
    api: TestClient, fake: FakeModHttpApi, services: Services, query: str
) -> None:
    room = {"room": "bob", "service": "Example.org", "host": "example.org"}

    answer = await api.post(f"/api/create_room{query}", json=room, headers=basic(ALICE))

    assert (answer.status, answer.headers["Muniment-Rule"]) == (403, "room-service")
    assert fake.requests == []
    entries = await services.storage.audit_log.entries(limit=1, before=None, subject=None)
    assert [(entry.action, entry.detail) for entry in entries] == [
        ("api create_room refused", "room-service")
    ]


async def test_room_that_cannot_be_destroyed_again_is_named(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    room = {"room": "garden", "service": "conference.example.org", "host": "example.org"}
    fake.replies |= {"set_room_affiliation": Unanswered(), "destroy_room": Unreachable()}

    status, data = await call(api, ALICE, "create_room", **room)

    assert (status, data["error"]) == (502, "room_without_owner")
    assert "garden@conference.example.org" in data["message"]


async def test_destroyed_room_has_ended_when_the_answer_comes(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    ending = Reply(500, "internal_error")
    ended = Reply(400, {"message": "room_not_found", "code": 32})
    fake.replies["get_room_occupants"] = [Reply(200, []), ending, ended]
    room = {"room": "garden", "service": "conference.example.org"}

    assert await call(api, ADMIN, "destroy_room", **room) == (200, {"result": "ok"})

    assert [path.partition("/")[0] for path, _ in fake.requests] == [
        "destroy_room",
        *["get_room_occupants"] * 3,
    ]


async def test_room_that_does_not_end_keeps_nobody_waiting(
    api: TestClient, fake: FakeModHttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "ENDING_SECONDS", 0.1)
    fake.replies["get_room_occupants"] = Reply(200, [])
    room = {"room": "garden", "service": "conference.example.org"}

    assert await call(api, ADMIN, "destroy_room", **room) == (200, {"result": "ok"})


async def test_command_without_answer_may_have_been_run(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    fake.replies["change_password"] = Unanswered()

    status, data = await call(
        api, ADMIN, "change_password", user="bob", host="example.org", newpass="x"
    )

    assert (status, data["error"]) == (502, "ejabberd_unreachable")
    assert data["message"].endswith("it may have run the command.")


async def test_dry_run_does_nothing_and_says_what_the_call_would_do(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    status, data = await call(
        api, ADMIN, "change_password", "?dry_run=1", user="a", host="example.org", newpass="x"
    )

    assert status == 200
    assert data["result"] == {
        "dry_run": True,
        "command": "change_password",
        "description": "Change the password of an account",
        "changes": True,
        "arguments": {"user": "a", "host": "example.org", "newpass": "(hidden)"},
        "run_by": "ejabberd",
        "role": "admin",
        "permitted_by": ["access.change_password", "own-account"],
    }
    assert fake.requests == []


async def test_dry_run_of_a_get_is_of_the_document_alone(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    query = "user=bob&host=example.org&dry_run=1"
    documented = await api.get(f"/api/unregister?{query}", headers=basic(ADMIN))
    versioned = await api.get(f"/api/v3/unregister?{query}", headers=basic(ADMIN))

    assert (await documented.json())["result"]["dry_run"] is True
    assert await versioned.json() == "Request have unknown arguments: [dry_run]"
    assert fake.requests == []


async def test_option_that_is_given_twice_is_refused(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    status, data = await call(
        api, ADMIN, "unregister", "?dry_run=0&dry_run=1", user="a", host="example.org"
    )

    assert (status, data["message"]) == (400, "dry_run: this option may be given once")
    assert fake.requests == []


@pytest.mark.parametrize("name", [definition.name for definition in DEFINITIONS])
async def test_every_command_has_a_dry_run_without_effect(
    api: TestClient, fake: FakeModHttpApi, name: str
) -> None:
    if name == "send_message":
        arguments: dict[str, Any] = dict.fromkeys(("from", "to"), ALICE)
        arguments |= {"type": "chat", "subject": "", "body": "x"}
    else:
        arguments = {
            argument.name: 1 if argument.type is ArgumentType.INTEGER else "x"
            for argument in BY_NAME[name].signatures[-1].arguments
        }

    status, data = await call(api, ADMIN, name, "?dry_run=1", **arguments)

    assert (status, data["result"]["command"]) == (200, name)
    assert set(data["result"]["arguments"]) == set(arguments)
    assert fake.requests == []


async def test_options_of_sending_are_refused_elsewhere(api: TestClient) -> None:
    status, data = await call(api, ADMIN, "status", "?confirm=1")

    assert (status, data["message"]) == (400, "confirm and id are for send_message only")


async def test_command_that_is_not_passed_on_is_unknown(api: TestClient) -> None:
    assert (await call(api, ADMIN, "registered_users", host="example.org"))[0] == 404


@pytest.mark.parametrize(
    "permissions", [replace(PERMISSIONS, passed_on=("registered_users",))], ids=["passed on"]
)
async def test_command_is_passed_on_for_admins_only(api: TestClient, fake: FakeModHttpApi) -> None:
    fake.replies["registered_users"] = Reply(200, ["alice"])

    assert await call(api, ADMIN, "registered_users", host="example.org") == (
        200,
        {"result": ["alice"]},
    )
    assert await call(api, ADMIN, "v0/registered_users", host="example.org") == (200, ["alice"])
    assert (await call(api, ALICE, "registered_users", host="example.org"))[0] == 403
    twice = await api.get("/api/registered_users?host=a&host=b", headers=basic(ADMIN))
    assert (twice.status, (await twice.json())["error"]) == (400, "invalid_parameter")
    assert [path for path, _ in fake.requests] == ["registered_users/v3", "registered_users/v0"]


@pytest.mark.parametrize(
    "permissions", [replace(PERMISSIONS, passed_on=("delete_old_users",))], ids=["passed on"]
)
async def test_dry_run_of_a_command_that_is_passed_on_does_nothing(
    api: TestClient, fake: FakeModHttpApi, services: Services
) -> None:
    status, data = await call(api, ADMIN, "delete_old_users", "?dry_run=1", days=30)

    assert (status, data["result"]["permitted_by"]) == (200, ["passed-on"])
    assert data["result"]["arguments"] == {"days": "(hidden)"}
    assert (await call(api, ALICE, "delete_old_users", "?dry_run=1", days=30))[0] == 403
    assert (await call(api, ADMIN, "delete_old_users", "?confirm=1", days=30))[0] == 400
    assert fake.requests == []
    entries = await services.storage.audit_log.entries(limit=9, before=None, subject=None)
    assert [(entry.actor, entry.action, entry.detail) for entry in entries] == [
        (ADMIN, "api delete_old_users refused", "invalid_parameter"),
        (ALICE, "api delete_old_users refused", "passed-on"),
        (ADMIN, "api delete_old_users", "dry run, passed-on"),
    ]


async def test_own_routes_go_before_commands(api: TestClient) -> None:
    answer = await api.post("/api/v1/tokens", json={"jid": ALICE, "password": PASSWORD})

    assert answer.status == 201


def test_no_command_has_the_name_of_an_own_route(services: Services) -> None:
    own = {
        route.resource.canonical.split("/")[3]
        for family in FAMILIES
        if family.listener is Listener.PUBLIC and family.authenticate is not authenticate_caller
        for route in family.app(BOTH, services).router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/v1/")
    }

    assert own >= {"tokens", "archives", "rosters"}
    assert services.ejabberd_api is not None
    for name in own:
        with pytest.raises(Exception, match="Endpoint not found"):
            services.ejabberd_api.find(name)


async def test_api_is_not_served_unless_enabled(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    client = await aiohttp_client(
        make_app(BOTH, replace(services, ejabberd_api=None), Listener.PUBLIC)
    )

    answer = await client.post("/api/status", json={}, headers=basic(ADMIN))

    assert (answer.status, (await answer.json())["error"]) == (401, "not-authorized")
