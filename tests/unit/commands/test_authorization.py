"""Authorization, discovery and audit of commands."""

from __future__ import annotations

import logging

import aiohttp
import pytest
from support.adhoc_commands import NS_COMMANDS, command, request, specific
from support.builders import ALICE, BOB
from support.operator_commands import (
    BOSS_PHONE,
    READER_PHONE,
    Operated,
    by_form,
    by_http,
    by_line,
    fill_in,
    named,
)
from support.wire import ALICE_PHONE, COMPONENT, HOST, NS_DISCO, element_at

from component.core.access.principals import Role
from component.core.commands.dispatch import COMMANDS

NS_ITEMS = "http://jabber.org/protocol/disco#items"
CONFIGURE = "urn:xmpp:mam#configure"

FOR_READERS = {"count", "export", "mam-retrieve", "get-room-messages"}


async def discovered(operated: Operated, asker: str) -> set[str | None]:
    """Return the nodes of the commands that a requester discovers."""
    query = f"<query xmlns='{NS_ITEMS}' node='{NS_COMMANDS}'/>"
    reply = await operated.wire.direct(query, type="get", asker=asker)
    return {item.get("node") for item in reply.iq.iter(f"{{{NS_ITEMS}}}item")}


async def audited(operated: Operated) -> list[tuple[str, str, str, str]]:
    """Return the entries of the audit log, oldest first."""
    audit_log = await operated.wire.storage.audit_log.entries(limit=100)
    return [
        (audit_entry.actor, audit_entry.action, audit_entry.subject, audit_entry.detail)
        for audit_entry in reversed(audit_log)
    ]


def test_role_reader_has_only_reading_commands() -> None:
    assert {spec.name for spec in COMMANDS if spec.role is Role.READER} == FOR_READERS


def test_names_and_nodes_of_commands_are_unique() -> None:
    assert len({spec.name for spec in COMMANDS}) == len(COMMANDS)
    assert len({spec.node for spec in COMMANDS}) == len(COMMANDS)


async def test_disco_items_list_only_permitted_commands(operated: Operated) -> None:
    everything = {spec.node for spec in COMMANDS}

    assert await discovered(operated, BOSS_PHONE) == everything | {CONFIGURE}
    assert await discovered(operated, READER_PHONE) == {
        CONFIGURE,
        *(named(n).node for n in FOR_READERS),
    }
    assert await discovered(operated, ALICE_PHONE) == {CONFIGURE}
    assert await discovered(operated, "boss@remote.example/phone") == {CONFIGURE}


@pytest.mark.parametrize("name", [spec.name for spec in COMMANDS])
async def test_disco_info_of_forbidden_command_is_refused(operated: Operated, name: str) -> None:
    node = named(name).node
    query = f"<query xmlns='{NS_DISCO}' node='{node}'/>"
    boss = await operated.wire.direct(query, type="get", asker=BOSS_PHONE)
    alice = await operated.wire.direct(query, type="get", asker=ALICE_PHONE)

    identity = element_at(boss.iq, f"{{{NS_DISCO}}}query/{{{NS_DISCO}}}identity")
    assert (identity.get("category"), identity.get("type"), identity.get("name")) == (
        "automation",
        "command-node",
        named(name).title,
    )
    assert alice.refusal == "forbidden"


@pytest.mark.parametrize("name", [spec.name for spec in COMMANDS])
async def test_command_without_role_is_forbidden(operated: Operated, name: str) -> None:
    askers = [ALICE_PHONE, "boss@remote.example/phone", f"boss@{HOST}.evil/phone"]
    if name not in FOR_READERS:
        askers.append(READER_PHONE)
    for asker in askers:
        reply = await operated.wire.direct(request(named(name).node), asker=asker)
        assert reply.refusal == "forbidden", asker
    assert await audited(operated) == []


async def test_form_of_another_requester_is_refused(operated: Operated) -> None:
    begun = await operated.wire.direct(request(named("erase").node), asker=BOSS_PHONE)
    reply = await fill_in(operated.wire, begun, {"owner": BOB}, asker=ALICE_PHONE)

    assert specific(reply) == ("bad-request", "bad-sessionid")


@pytest.mark.parametrize("secret", ["the secret of the reader", "wrong"])
async def test_http_secret_decides_the_role(operated: Operated, secret: str) -> None:
    headers = {"X-Api-Key": secret}
    async with aiohttp.ClientSession(f"{operated.url}/api/v1/", headers=headers) as session:
        async with session.get("commands") as answer:
            listed = await answer.json()
        async with session.post("commands/erase", json={"owner": ALICE}) as answer:
            status = answer.status

    if secret == "wrong":
        assert (listed["status"], status) == (401, 401)
    else:
        assert ({entry["name"] for entry in listed["commands"]}, status) == (FOR_READERS, 403)
    assert await audited(operated) == []


async def test_commands_are_audited(operated: Operated) -> None:
    await by_form(operated, "count", {"owner": ALICE}, asker=READER_PHONE)
    await by_form(operated, "archives", {"host": HOST, "max_items": "5"})
    await by_http(operated, "disable-user", {"accountjids": [ALICE, BOB]})
    await by_form(operated, "reconnect", {})

    assert await audited(operated) == [
        ("reader", "count", ALICE, ""),
        ("boss", "archives", "*", f"host {HOST}, max_items 5"),
        ("boss", "disable-user", ALICE, ""),
        ("boss", "disable-user", BOB, ""),
        ("boss", "reconnect", "*", ""),
    ]


async def test_invalid_command_is_not_audited(operated: Operated) -> None:
    await by_http(operated, "count", {})

    assert await audited(operated) == []


async def test_command_is_not_run_if_it_cannot_be_audited(operated: Operated) -> None:
    await operated.wire.storage.close()
    answer = await by_http(operated, "users", {})

    assert answer.is_refused


async def test_passwords_are_in_no_log(
    operated: Operated,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "component")
    secret = "correct horse"
    jids = [f"{name}@{HOST}" for name in ("one", "two", "three")]
    await by_form(operated, "add-user", {"accountjid": jids[0], "password": secret})
    await by_http(operated, "add-user", {"accountjid": jids[1], "password": secret})
    line = {"accountjid": jids[2], "password": secret}
    await by_line(operated, "add-user", line, capsys, monkeypatch)
    second_answer = await by_http(
        operated, "add-user", {"accountjid": jids[1], "password": secret}
    )

    assert [
        await operated.services.accounts.authenticator.authenticate(jid, secret) for jid in jids
    ] == [True] * 3
    assert second_answer.is_refused
    everything = f"{await audited(operated)} {second_answer} {caplog.text}"
    assert secret not in everything


async def test_password_fields_are_text_private(operated: Operated) -> None:
    begun = await operated.wire.direct(request(named("add-user").node), asker=BOSS_PHONE)
    types = {
        form_field.get("var"): form_field.get("type")
        for form_field in command(begun).iter("{jabber:x:data}field")
    }

    assert types == {
        "FORM_TYPE": "hidden",
        "accountjid": "jid-single",
        "password": "text-private",
        "password-verify": "text-private",
    }


async def test_disco_items_of_other_addresses_list_no_commands(operated: Operated) -> None:
    query = f"<query xmlns='{NS_ITEMS}' node='{NS_COMMANDS}'/>"
    reply = await operated.wire.direct(
        query, type="get", asker=BOSS_PHONE, to=rf"bob\40example.org@{COMPONENT}"
    )

    assert reply.refusal == "item-not-found"
