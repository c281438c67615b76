"""What takes something away says what that is, and asks before."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable

import pytest
from support.builders import ALICE, BOB, entries
from support.operated import Operated, by_form, by_http, named
from support.wire import HOST, until

from component import cli
from component.cli import exits
from component.core.access.principals import SERVER
from component.core.commands.dispatch import COMMANDS
from component.core.errors import BadRequest
from component.core.retention.plan import RetentionBounds, RetentionDefaults
from storage.rows import ANY

Type = Callable[[str], None]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Have somebody at a terminal who types a line."""

    def typing(text: str) -> None:
        keyboard = io.StringIO(text)
        keyboard.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", keyboard)

    return typing


@pytest.fixture(autouse=True)
async def _furnished(operated: Operated) -> None:
    """Have alice and bob with accounts, and alice with three messages."""
    await operated.wire.archive.append(entries(3))
    for jid in (ALICE, BOB):
        await operated.services.accounts.register(jid, "a password")


async def run(operated: Operated, name: str, *arguments: str) -> int:
    line = [name, "--config", str(operated.config), *arguments]
    return await asyncio.to_thread(cli.main, line)


async def left(operated: Operated) -> int:
    return await operated.wire.archive.count(ALICE, ANY)


def test_every_command_that_takes_something_away_asks() -> None:
    assert {command.name for command in COMMANDS if command.preview} == {
        "erase",
        "delete-user",
        "purge",
    }


async def test_the_address_is_typed(operated: Operated, type_: Type) -> None:
    type_(f"{ALICE}\n")

    assert await run(operated, "erase", ALICE) == exits.OK
    assert await left(operated) == 0


@pytest.mark.parametrize("answer", ["yes\n", "\n", "", f"{BOB}\n"])
async def test_with_another_answer_nothing_is_done(
    operated: Operated, type_: Type, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    type_(answer)

    for name in ("erase", "delete-user"):
        assert await run(operated, name, ALICE) == exits.UNCONFIRMED
    done = capsys.readouterr()

    assert (await left(operated), await operated.services.accounts.exists(ALICE)) == (3, True)
    assert done.out == ""
    assert f"This erases the archive of {ALICE} with 3 messages" in done.err
    assert "This removes 1 account and erases 3 messages." in done.err
    assert f"Type {ALICE} to go on: muniment: Nothing was taken away." in done.err


async def test_of_several_accounts_yes_is_typed(operated: Operated, type_: Type) -> None:
    type_("yes\n")

    assert await run(operated, "delete-user", ALICE, BOB) == exits.OK
    assert [await operated.services.accounts.exists(jid) for jid in (ALICE, BOB)] == [False, False]


async def test_without_a_terminal_it_is_refused_with_what_would_go(
    operated: Operated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))

    assert await run(operated, "erase", ALICE) == exits.UNCONFIRMED
    assert await left(operated) == 3
    assert capsys.readouterr().err == (
        f"muniment: This erases the archive of {ALICE} with 3 messages, and all other data of"
        " its owner. Nothing was taken away: say --yes to go on.\n"
    )


async def test_scripts_say_yes(operated: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    assert await run(operated, "erase", ALICE, "--yes") == exits.OK
    assert await left(operated) == 0


async def test_what_cannot_be_done_is_told_before_it_is_asked(
    operated: Operated, type_: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    type_("")

    assert await run(operated, "erase", "alice@exmaple.org") == exits.FAILED
    assert "exmaple.org is not served here, did you mean example.org?" in capsys.readouterr().err


async def test_a_preview_is_on_record_and_does_nothing(operated: Operated) -> None:
    told = await operated.commands.preview(SERVER, named("erase"), {"owner": [ALICE]})
    [audit_entry] = await operated.wire.storage.records.audit_entries(limit=10)

    assert {value.name: value.content for value in told.values}["messages"] == 3
    assert (audit_entry.action, audit_entry.subject, audit_entry.detail) == (
        "preview",
        ALICE,
        "erase",
    )
    assert await left(operated) == 3


async def test_what_takes_nothing_away_has_no_preview(operated: Operated) -> None:
    with pytest.raises(BadRequest, match="deletes nothing"):
        await operated.commands.preview(SERVER, named("count"), {"owner": [ALICE]})


@pytest.fixture
async def waiting(operated: Operated) -> Operated:
    """A program whose bounds would take two of three messages, which nobody has confirmed."""
    administration = operated.services.administration
    await until(lambda: administration.janitor.current is None)
    bounds = RetentionBounds(messages=1)
    usual = RetentionDefaults(hosts={HOST: bounds}, others=bounds)
    for part in (administration.approval, administration.janitor):
        part._defaults = usual
    return operated


@pytest.mark.parametrize(
    ("options", "answer", "owner_answer"),
    [((), "yes\n", f"{ALICE}\n"), (("--confirm",), "", "")],
    ids=["typed", "in a script"],
)
async def test_a_purge_confirms_new_bounds(
    waiting: Operated, type_: Type, options: tuple[str, ...], answer: str, owner_answer: str
) -> None:
    approval = waiting.services.administration.approval
    type_(owner_answer)
    assert await run(waiting, "purge", "--owner", ALICE, *options) == exits.OK
    await until(lambda: waiting.services.administration.janitor.current is None)
    assert (await left(waiting), await approval.is_confirmed()) == (1, False)

    type_(answer)
    assert await run(waiting, "purge", *options) == exits.OK
    assert await approval.is_confirmed()


async def test_a_purge_that_confirms_nothing_is_refused(
    waiting: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = [
        await run(waiting, "purge", "--yes"),
        await run(waiting, "purge", "--yes", "--owner", ALICE),
    ]
    over_http = await by_http(waiting, "purge", {})
    by_xmpp = await by_form(waiting, "purge", {})

    assert (refused, over_http.is_refused, by_xmpp.is_refused) == ([1, 1], True, True)
    assert capsys.readouterr().err.count("2 messages of 1 archive") == 2
    assert await left(waiting) == 3
    assert (await by_form(waiting, "purge", {"confirm": "true"})).message == "A purge has started."


@pytest.mark.parametrize("confirm", ["true", "1", "false", "0"])
async def test_a_flag_is_a_boolean(operated: Operated, confirm: str) -> None:
    await until(lambda: operated.services.administration.janitor.current is None)

    said = await by_form(operated, "purge", {"confirm": confirm})

    assert said.message == "A purge has started."


async def test_a_flag_is_nothing_else(operated: Operated) -> None:
    for give in (by_form, by_http):
        said = await give(operated, "purge", {"confirm": "perhaps"})

        assert (said.message, said.is_refused) == ("confirm: expected true or false", True)
