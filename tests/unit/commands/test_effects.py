"""Effects of commands, apart from their results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.accounts import source_of
from support.adhoc_commands import command, form_in, request
from support.builders import ALICE, BOB, entries, entry
from support.fake_ejabberd_api import fake_accounts
from support.operator_commands import (
    BOSS_PHONE,
    CommandAnswer,
    Operated,
    answer_of,
    by_form,
    by_http,
    fill_in,
    named,
    open_operated,
)
from support.wire import HOST, NS_FORM, OTHER_HOST, until

from component.core.access.principals import SERVER
from component.core.archiving.writer import Writer
from component.core.commands.dispatch import CommandService
from component.core.commands.spec import Outcome
from component.core.errors import NotAllowed, Overloaded, TooLarge
from component.core.retention.erasure import Erasure
from component.core.retention.plan import RetentionDefaults, RetentionLimits
from storage.rows import ANY


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Operated]:
    """A program that keeps two messages of each archive."""
    async with open_operated(
        tmp_path, RetentionDefaults(others=RetentionLimits(messages=2))
    ) as operated:
        yield operated


async def test_purge_command_deletes_messages_over_the_bounds(strict: Operated) -> None:
    janitor = strict.services.administration.janitor
    await until(lambda: janitor.current is None)
    await strict.wire.archive.append([*entries(5), *entries(5, owner=BOB)])
    started = await by_form(strict, "purge", {"owner": ALICE})
    await until(lambda: janitor.current is None)
    answer = await by_http(strict, "purges", {})

    assert started.message == "A purge has started."
    assert [await strict.wire.archive.count(owner, ANY) for owner in (ALICE, BOB)] == [2, 5]
    [last] = answer.rows
    assert (answer.message, last["by"], last["owner"], last["state"], last["messages"]) == (
        "No purge is running.",
        ["boss"],
        [ALICE],
        ["done"],
        ["3"],
    )


async def test_small_archive_is_exported_in_the_result(operated: Operated) -> None:
    await operated.wire.archive.append([entry("first\u2028line"), entry("second")])
    lines = await by_form(operated, "export", {"owner": ALICE})
    portable = await by_http(operated, "export", {"owner": ALICE, "format": "xep0227"})

    bodies = [json.loads(line)["xml"] for line in lines.values["archive"]]
    assert ["first\u2028line" in bodies[0], "second" in bodies[1], len(bodies)] == [True, True, 2]
    assert portable.values["archive"][1] == "<server-data xmlns='urn:xmpp:pie:0'>"


async def test_large_export_is_refused_with_a_hint(operated: Operated) -> None:
    await operated.wire.archive.append(entries(10))
    service = with_context(operated, export_max_bytes=1000)

    with pytest.raises(TooLarge, match="muniment export"):
        await service.run(SERVER, named("export"), {"owner": [ALICE]})


async def test_erase_includes_queued_messages(operated: Operated) -> None:
    operated.wire.say("to bob")
    await operated.wire.caught_up()
    await by_form(operated, "erase", {"owner": ALICE})

    assert await operated.wire.bodies(ALICE) == []
    assert await operated.wire.bodies(BOB) == ["to bob"]


async def test_reconnect_closes_the_stream_after_the_answer(operated: Operated) -> None:
    wire = operated.wire
    before = wire.peer
    reply = await wire.direct(request(named("reconnect").node), asker=BOSS_PHONE)
    await before.stream_closed()
    await before.close()
    await wire.welcome()

    assert command(reply).get("status") == "completed"
    await wire.caught_up()
    assert wire.stream.is_up


async def test_reconnect_without_stream_is_a_conflict(operated: Operated) -> None:
    await operated.wire.peer.close()
    await until(lambda: not operated.wire.stream.is_up)
    answer = await by_http(operated, "reconnect", {})

    assert answer.is_refused
    await operated.wire.welcome()


async def test_lists_of_accounts_continue_over_all_pages(operated: Operated) -> None:
    service = with_context(operated, account_page_size=2)
    jids = [f"u{number}@{host}" for host in (HOST, OTHER_HOST) for number in range(5)]
    for jid in jids:
        await operated.services.accounts.admin.register(jid, "a password")
    await operated.services.accounts.admin.set_enabled(jids[-1], False)
    all_users = await service.run(SERVER, named("users"), {"max_items": ["10"]})
    page = await service.run(SERVER, named("users"), {"after": [jids[3]], "max_items": ["2"]})
    disabled = await service.run(SERVER, named("disabled-users"), {})

    assert cells(all_users) == {"registereduserjids": jids}
    assert cells(page) == {"registereduserjids": jids[4:6], "next": jids[5]}
    assert cells(disabled) == {"disableduserjids": jids[-1:]}


def cells(outcome: Outcome) -> dict[str, object]:
    """Return the values of an outcome by name."""
    return {
        value.name: list(value.content) if isinstance(value.content, tuple) else value.content
        for value in outcome.values
    }


def with_context(operated: Operated, **parts: Any) -> CommandService:
    """Return the commands with some parts of their context replaced."""
    service = operated.commands
    return replace(service, context=replace(service.context, **parts))


async def test_disabled_users_without_report_of_the_source_is_refused(
    operated: Operated,
) -> None:
    async with fake_accounts('["ann"]') as accounts:
        service = with_context(operated, accounts=source_of(accounts))
        with pytest.raises(NotAllowed, match="does not report"):
            await service.run(SERVER, named("disabled-users"), {})


async def test_delete_user_answers_in_time_during_long_erasure(
    operated: Operated,
) -> None:
    never = Writer(operated.wire.archive)
    never.put([entry(), entry(owner=BOB)])
    administration = operated.services.administration
    erasure = Erasure(
        administration.retention,
        never,
        administration.holds,
        followers=administration.followers,
        batch=1,
    )
    accounts = operated.services.accounts
    service = with_context(
        operated, archives=replace(administration, erasure=erasure), timeout=1.0
    )
    for jid in (ALICE, BOB):
        await accounts.admin.register(jid, "a password")

    async with asyncio.timeout(30):
        with pytest.raises(Overloaded, match=f"{ALICE}: .*still being erased"):
            await service.run(SERVER, named("delete-user"), {"accountjids": [ALICE, BOB]})

    assert [await accounts.authenticator.exists(jid) for jid in (ALICE, BOB)] == [False, True]
    assert await accounts.admin.count(HOST) == 2
    await erasure.close()


# Forms


async def test_form_offers_virtual_hosts_as_options(operated: Operated) -> None:
    answer = await operated.wire.direct(request(named("users").node), asker=BOSS_PHONE)
    path = f"{{{NS_FORM}}}field[@var='host']/{{{NS_FORM}}}option/{{{NS_FORM}}}value"

    assert [value.text for value in form_in(answer).findall(path)] == [None, HOST, OTHER_HOST]


async def test_refused_form_can_be_corrected_in_the_same_session(operated: Operated) -> None:
    answer = await operated.wire.direct(request(named("add-user").node), asker=BOSS_PHONE)
    jid = f"new@{HOST}"
    fields = {"accountjid": jid, "password": "one", "password-verify": "two"}
    wrong = answer_of(await fill_in(operated.wire, answer, fields))
    right = answer_of(await fill_in(operated.wire, answer, fields | {"password-verify": "one"}))

    assert wrong == CommandAnswer("password-verify: the passwords differ", is_refused=True)
    assert right == CommandAnswer(f"{jid} has an account now.")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "owner: required, but missing"),
        ({"owner": ""}, "owner: required, but missing"),
        ({"owner": [ALICE, BOB]}, "owner: too many values, 1 at most"),
        ({"owner": f"{'a' * 5000}@{HOST}"}, "owner: too long, 4096 characters at most"),
        ({"owner": "@"}, "owner: '@' is not an address"),
        ({"owner": ALICE, "zip": "x"}, "zip: there is no such field"),
        ({"owner": ALICE, "fromat": "x"}, "fromat: there is no such field, did you mean format?"),
        ({"owner": ALICE, "format": "zip"}, "format: expected one of jsonl, xep0227"),
    ],
    ids=str,
)
async def test_bad_request_names_the_invalid_field(
    operated: Operated, fields: dict[str, str | list[str]], message: str
) -> None:
    expected = CommandAnswer(message, is_refused=True)

    assert await by_form(operated, "export", fields) == expected
    assert await by_http(operated, "export", fields) == expected


@pytest.mark.parametrize("value", [True, 1.5, {}, [[]], [True]], ids=str)
async def test_http_values_are_strings_numbers_booleans_or_lists(
    operated: Operated, value: object
) -> None:
    answer = await by_http(operated, "archives", {"max_items": value})  # type: ignore[dict-item]

    assert answer.is_refused
    assert answer.message.startswith("max_items: ")


async def test_http_lists_commands_with_their_fields(operated: Operated) -> None:
    headers = {"X-Api-Key": "the secret of the boss"}
    async with aiohttp.ClientSession(f"{operated.url}/api/v1/", headers=headers) as session:
        async with session.get("commands") as answer:
            listed = (await answer.json())["commands"]
        async with session.post("commands/nothing") as answer:
            unknown = await answer.json()
        async with session.post("commands/archives", json={"max_items": 1}) as answer:
            numbered = answer.status

    [export] = [command for command in listed if command["name"] == "export"]
    assert export["fields"][1] == {
        "name": "format",
        "label": "Format",
        "kind": "choice",
        "required": False,
        "many": False,
        "default": "jsonl",
        "choices": ["jsonl", "xep0227"],
    }
    assert (unknown["error"], numbered) == ("item-not-found", 200)
