"""XEP-0133: Service Administration, version 1.2: the use cases that Muniment implements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.adhoc_commands import NS_COMMANDS, command, form_in, request
from support.operator_commands import BOSS_PHONE, Operated, by_form, fill_in, named, open_operated
from support.wire import ALICE, ALICE_PHONE, BOB, HOST, NS_FORM, Reply, element_at

from storage.rows import Contact

ADMIN = "http://jabber.org/protocol/admin"
NS_ITEMS = "http://jabber.org/protocol/disco#items"
NS_ROSTER = "jabber:iq:roster"

#: For each use case: our name of the command, its node, and its fields.
CASES = [
    ("add-user", "add-user", ["accountjid", "password", "password-verify"]),
    ("delete-user", "delete-user", ["accountjids"]),
    ("disable-user", "disable-user", ["accountjids"]),
    ("enable-user", "reenable-user", ["accountjids"]),
    ("set-password", "change-user-password", ["accountjid", "password"]),
    ("roster", "get-user-roster", ["accountjids"]),
    ("users", "get-registered-users-list", ["max_items"]),
    ("disabled-users", "get-disabled-users-list", ["max_items"]),
]
PASSWORD = "a password"
TYPES = {"accountjid": "jid-single", "accountjids": "jid-multi"}
PRIVATE = {"password": "text-private", "password-verify": "text-private"}


@pytest.fixture
async def operated(tmp_path: Path) -> AsyncIterator[Operated]:
    async with open_operated(tmp_path) as opened:
        for jid in (ALICE, BOB):
            await opened.services.accounts.admin.register(jid, PASSWORD)
        yield opened


async def begin(operated: Operated, node: str, asker: str = BOSS_PHONE) -> Reply:
    return await operated.wire.direct(request(f"{ADMIN}#{node}"), asker=asker)


def fields(reply: Reply) -> dict[str | None, tuple[str | None, list[str | None]]]:
    """Return the type and the values of each field of a form."""
    return {
        field.get("var"): (
            field.get("type"),
            [value.text for value in field.findall(f"{{{NS_FORM}}}value")],
        )
        for field in form_in(reply).findall(f"{{{NS_FORM}}}field")
    }


async def logs_in(operated: Operated, jid: str, password: str = PASSWORD) -> bool:
    return await operated.services.accounts.authenticator.authenticate(jid, password)


async def test_commands_are_advertised(operated: Operated) -> None:
    """3: "A server or component MUST advertise any administrative commands it supports via
    Service Discovery"."""
    query = f"<query xmlns='{NS_ITEMS}' node='{NS_COMMANDS}'/>"
    reply = await operated.wire.direct(query, type="get", asker=BOSS_PHONE)

    nodes = {item.get("node") for item in reply.iq.iter(f"{{{NS_ITEMS}}}item")}
    expected = {node for _, node, _ in CASES} | {"get-registered-users-num"}
    assert {f"{ADMIN}#{node}" for node in expected} <= nodes


@pytest.mark.parametrize(("name", "node", "_"), CASES)
def test_node_is_the_registered_node(name: str, node: str, _: list[str]) -> None:
    """4.x: "The command node for this use case SHOULD be"."""
    assert named(name).node == f"{ADMIN}#{node}"


@pytest.mark.parametrize(("_", "node", "expected"), CASES)
async def test_execute_returns_the_registered_form(
    operated: Operated, _: str, node: str, expected: list[str]
) -> None:
    """4.x: "Unless an error occurs (see the Error Handling section below), the service SHOULD
    return the appropriate form"."""
    form = fields(await begin(operated, node))

    assert form["FORM_TYPE"] == ("hidden", [ADMIN])
    types = {name: type for name, (type, _) in form.items()}
    for name in expected:
        assert types[name] == (TYPES | PRIVATE).get(name, "text-single")


async def test_add_user_creates_an_account(operated: Operated) -> None:
    """4.1: "Adding a user MUST result in the creation of an account"."""
    carol = f"carol@{HOST}"
    form_reply = await begin(operated, "add-user")
    result_reply = await fill_in(
        operated.wire,
        form_reply,
        {"FORM_TYPE": ADMIN, "accountjid": carol, "password": "x", "password-verify": "x"},
    )

    assert (command(result_reply).get("status"), await logs_in(operated, carol, "x")) == (
        "completed",
        True,
    )


async def test_delete_user_deletes_the_account(operated: Operated) -> None:
    """4.2 (paraphrase): the account is deleted for good."""
    await by_form(operated, "delete-user", {"accountjids": [ALICE, BOB]})

    assert [await logs_in(operated, jid) for jid in (ALICE, BOB)] == [False, False]


async def test_disabled_user_cannot_log_in_until_enabled(operated: Operated) -> None:
    """4.3: "Disabling a user MUST result in ... the prevention of further user logins until the
    account is re-enabled"; it "MUST NOT result in the destruction of any implementation-specific
    data for the account"."""
    await operated.wire.storage.contacts.put(ALICE, Contact(jid=BOB))
    await by_form(operated, "disable-user", {"accountjids": ALICE})
    disabled = await logs_in(operated, ALICE)
    await by_form(operated, "enable-user", {"accountjids": ALICE})

    assert (disabled, await logs_in(operated, ALICE)) == (False, True)
    assert await operated.wire.storage.contacts.roster(ALICE) == (Contact(jid=BOB),)


async def test_change_user_password_changes_the_password(operated: Operated) -> None:
    """4.7: "An administrator may need to change a user's password"."""
    await by_form(operated, "set-password", {"accountjid": ALICE, "password": "V3r0n4"})

    assert [await logs_in(operated, ALICE), await logs_in(operated, ALICE, "V3r0n4")] == [
        False,
        True,
    ]


async def test_roster_of_a_user_is_a_roster_query(operated: Operated) -> None:
    """4.8: "The data form included in the IQ result will include the user's roster, formatted
    according to the 'jabber:iq:roster' protocol"."""
    contact = Contact(jid=BOB, name="Bob", subscription="both", groups=("Friends",))
    await operated.wire.storage.contacts.put(ALICE, contact)
    form_reply = await begin(operated, "get-user-roster")
    result_reply = await fill_in(operated.wire, form_reply, {"accountjids": ALICE})

    assert fields(result_reply)["accountjids"][1] == [ALICE]
    [item] = element_at(form_in(result_reply), f"{{{NS_ROSTER}}}query")
    assert item.attrib == {"jid": BOB, "name": "Bob", "subscription": "both"}
    assert [group.text for group in item] == ["Friends"]


async def test_number_of_registered_users_needs_no_form(operated: Operated) -> None:
    """4.13 (paraphrase): "the service SHOULD simply return the number of registered users"."""
    reply = await begin(operated, "get-registered-users-num")

    assert command(reply).get("status") == "completed"
    assert fields(reply)["registeredusersnum"][1] == ["2"]


async def test_registered_users_are_listed(operated: Operated) -> None:
    """4.18: the field registereduserjids holds "The list of all users"."""
    form_reply = await begin(operated, "get-registered-users-list")
    result_reply = await fill_in(operated.wire, form_reply, {"max_items": "100"})

    assert fields(result_reply)["registereduserjids"][1] == [ALICE, BOB]


async def test_disabled_users_are_listed(operated: Operated) -> None:
    """4.19: the field disableduserjids holds "The list of all disabled users"."""
    await operated.services.accounts.admin.set_enabled(BOB, False)
    form_reply = await begin(operated, "get-disabled-users-list")
    result_reply = await fill_in(operated.wire, form_reply, {})

    assert fields(result_reply)["disableduserjids"][1] == [BOB]


# Errors: 5: "If one of these error conditions occurs, the service MUST return an error stanza"


async def test_existing_username_is_conflict(operated: Operated) -> None:
    """5: conflict: "a user already exists with that username"."""
    form_reply = await begin(operated, "add-user")
    result_reply = await fill_in(operated.wire, form_reply, {"accountjid": ALICE, "password": "x"})

    assert (result_reply.iq.get("type"), result_reply.refusal) == ("error", "conflict")


@pytest.mark.parametrize("node", [node for _, node, _ in CASES])
async def test_user_without_privileges_is_forbidden(operated: Operated, node: str) -> None:
    """5: forbidden: "The requesting entity does not have sufficient privileges"; 6: "The ability
    to complete the administrative tasks specified herein MUST NOT be granted to users who lack
    service-level administrative privileges"."""
    assert (await begin(operated, node, ALICE_PHONE)).refusal == "forbidden"


async def test_unsupported_use_case_is_item_not_found(operated: Operated) -> None:
    """5: "The specific command is not supported"; XEP-0050 section 4.4 says item-not-found."""
    assert (await begin(operated, "get-user-lastlogin")).refusal == "item-not-found"
