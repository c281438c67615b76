"""Commands that delete messages or accounts show a preview and ask for confirmation."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support.builders import ALICE, BOB, entries, everything
from support.operator_commands import Operated, by_form, by_http, named, open_operated
from support.wire import HOST, until

from component import cli
from component.cli import exit_codes
from component.core.access.principals import SERVER
from component.core.commands.dispatch import COMMANDS
from component.core.errors import BadRequest
from component.core.retention.plan import RetentionDefaults, RetentionLimits
from storage.open import open_storage
from storage.rows import ANY

Type = Callable[[str], None]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Simulate a terminal on which a line is typed."""

    def typing(text: str) -> None:
        keyboard = io.StringIO(text)
        keyboard.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", keyboard)

    return typing


@pytest.fixture(autouse=True)
async def _furnished(operated: Operated) -> None:
    """Create accounts of alice and bob, and three messages of alice."""
    await operated.wire.archive.append(entries(3))
    for jid in (ALICE, BOB):
        await operated.services.accounts.admin.register(jid, "a password")


async def run(operated: Operated, name: str, *arguments: str) -> int:
    line = [name, "--config", str(operated.config), *arguments]
    return await asyncio.to_thread(cli.main, line)


async def message_count(operated: Operated) -> int:
    return await operated.wire.archive.count(ALICE, ANY)


def test_every_deleting_command_has_a_preview() -> None:
    assert {command.name for command in COMMANDS if command.preview} == {
        "erase",
        "delete-user",
        "mam-remove-archive",
        "purge",
    }


async def test_erase_runs_after_the_address_is_typed(operated: Operated, type_: Type) -> None:
    type_(f"{ALICE}\n")

    assert await run(operated, "erase", ALICE) == exit_codes.OK
    assert await message_count(operated) == 0


@pytest.mark.parametrize("answer", ["yes\n", "\n", "", f"{BOB}\n"])
async def test_wrong_confirmation_deletes_nothing(
    operated: Operated, type_: Type, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    type_(answer)

    for name in ("erase", "delete-user"):
        assert await run(operated, name, ALICE) == exit_codes.UNCONFIRMED
    captured = capsys.readouterr()

    assert (
        await message_count(operated),
        await operated.services.accounts.authenticator.exists(ALICE),
    ) == (3, True)
    assert captured.out == ""
    assert f"This erases the archive of {ALICE} with 3 messages" in captured.err
    assert "This removes 1 account and erases 3 messages." in captured.err
    assert f"Type {ALICE} to confirm: muniment: Nothing was done." in captured.err


async def test_deletion_of_several_accounts_is_confirmed_by_yes(
    operated: Operated, type_: Type
) -> None:
    type_("yes\n")

    assert await run(operated, "delete-user", ALICE, BOB) == exit_codes.OK
    assert [
        await operated.services.accounts.authenticator.exists(jid) for jid in (ALICE, BOB)
    ] == [False, False]


async def test_without_terminal_the_preview_is_printed_and_nothing_deleted(
    operated: Operated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))

    assert await run(operated, "erase", ALICE) == exit_codes.UNCONFIRMED
    assert await message_count(operated) == 3
    assert capsys.readouterr().err == (
        f"muniment: This erases the archive of {ALICE} with 3 messages, and all other data of"
        " its owner. Nothing was done. Use --yes to confirm.\n"
    )


async def test_preview_of_one_conversation_counts_its_messages(
    operated: Operated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    for peer, count in ((BOB, "3 messages"), (ALICE, "0 messages")):
        command = ("mam-remove-archive", "alice", HOST, "--with", f"{peer}/phone")
        assert await run(operated, *command) == exit_codes.UNCONFIRMED
        text = f"This blanks {count} with {peer} in the archive of {ALICE}."
        assert text in capsys.readouterr().err

    assert await run(operated, *command[:3], "--with", BOB, "--yes") == exit_codes.OK
    assert all(not row.xml for row in (await everything(operated.wire.archive)).messages)


async def test_option_yes_deletes_without_confirmation(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    assert await run(operated, "erase", ALICE, "--yes") == exit_codes.OK
    assert await message_count(operated) == 0


async def test_refusal_comes_before_the_confirmation(
    operated: Operated, type_: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    type_("")

    assert await run(operated, "erase", "alice@exmaple.org") == exit_codes.FAILED
    assert "exmaple.org is not served here, did you mean example.org?" in capsys.readouterr().err


async def test_preview_is_audited_and_deletes_nothing(operated: Operated) -> None:
    preview = await operated.commands.preview(SERVER, named("erase"), {"owner": [ALICE]})
    [audit_entry] = await operated.wire.storage.audit_log.entries(limit=10)

    assert {value.name: value.content for value in preview.values}["messages"] == 3
    assert (audit_entry.action, audit_entry.subject, audit_entry.detail) == (
        "preview",
        ALICE,
        "erase",
    )
    assert await message_count(operated) == 3


async def test_preview_of_reading_command_is_bad_request(operated: Operated) -> None:
    with pytest.raises(BadRequest, match="deletes nothing"):
        await operated.commands.preview(SERVER, named("count"), {"owner": [ALICE]})


@pytest.fixture
async def unconfirmed(tmp_path: Path) -> AsyncIterator[Operated]:
    """A program whose unconfirmed bounds would delete two of three messages."""
    folder = tmp_path / "unconfirmed"
    folder.mkdir()
    async with open_storage(f"sqlite:{folder / 'archive.db'}") as storage:
        await storage.archive.append(entries(3))
    limits = RetentionLimits(messages=1)
    defaults = RetentionDefaults(hosts={HOST: limits}, others=limits)
    async with open_operated(folder, defaults) as operated:
        administration = operated.services.administration
        await until(lambda: administration.approval.unconfirmed is not None)
        await until(lambda: administration.janitor.current is None)
        yield operated


@pytest.mark.parametrize(
    ("options", "answer", "owner_answer"),
    [((), "yes\n", f"{ALICE}\n"), (("--confirm",), "", "")],
    ids=["typed", "in a script"],
)
async def test_confirmed_purge_confirms_new_bounds(
    unconfirmed: Operated, type_: Type, options: tuple[str, ...], answer: str, owner_answer: str
) -> None:
    approval = unconfirmed.services.administration.approval
    type_(owner_answer)
    assert await run(unconfirmed, "purge", "--owner", ALICE, *options) == exit_codes.OK
    await until(lambda: unconfirmed.services.administration.janitor.current is None)
    assert (await message_count(unconfirmed), await approval.is_confirmed()) == (1, False)

    type_(answer)
    assert await run(unconfirmed, "purge", *options) == exit_codes.OK
    assert await approval.is_confirmed()


async def test_unconfirmed_purge_is_a_conflict(
    unconfirmed: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = [
        await run(unconfirmed, "purge", "--yes"),
        await run(unconfirmed, "purge", "--yes", "--owner", ALICE),
    ]
    over_http = await by_http(unconfirmed, "purge", {})
    by_xmpp = await by_form(unconfirmed, "purge", {})

    assert (refused, over_http.is_refused, by_xmpp.is_refused) == ([1, 1], True, True)
    assert capsys.readouterr().err.count("2 messages of 1 archive") == 2
    assert await message_count(unconfirmed) == 3
    assert (
        await by_form(unconfirmed, "purge", {"confirm": "true"})
    ).message == "A purge has started."


@pytest.mark.parametrize("confirm", ["true", "1", "false", "0"])
async def test_flag_takes_lexical_forms_of_boolean(operated: Operated, confirm: str) -> None:
    await until(lambda: operated.services.administration.janitor.current is None)

    answer = await by_form(operated, "purge", {"confirm": confirm})

    assert answer.message == "A purge has started."


async def test_flag_with_other_value_is_bad_request(operated: Operated) -> None:
    for give in (by_form, by_http):
        answer = await give(operated, "purge", {"confirm": "perhaps"})

        assert (answer.message, answer.is_refused) == ("confirm: expected true or false", True)
