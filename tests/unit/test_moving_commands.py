"""copy-store, backup and verify on the command line: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import ALICE, BOB, NOON, entries, everything

from component.cli import main
from component.cli.exit_codes import FAILED, OK, UNREACHABLE
from component.cli.moving.compare import print_comparison
from component.cli.moving.import_archives import print_report
from component.cli.progress import progress_bar
from component.core.importing.compare import MissingMessage, OwnerComparison
from component.core.importing.pipeline import ImportReport, OwnerReport
from storage.open import open_storage

Run = Callable[..., int]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with messages."""

    async def fill() -> None:
        async with open_storage(f"sqlite:{tmp_path}/store.db") as storage:
            await storage.archive.append(entries(30, text="word"))

    asyncio.run(fill())
    return tmp_path / "store.db"


@pytest.fixture
def run(path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with a configuration of that store."""
    config = path.with_name("muniment.toml")
    config.write_text(
        "[xmpp]\njid = 'archive.example.org'\nhosts = ['example.org']\nsecret = 'not-a-secret'\n"
        f"[storage]\nurl = 'sqlite:{path}'\n[http]\nsecret = 'another-secret'\n"
    )
    return lambda *arguments: main([arguments[0], "--config", str(config), *arguments[1:]])


def count(path: Path) -> int:
    async def read() -> int:
        async with open_storage(f"sqlite:{path}") as storage:
            return len((await everything(storage.archive)).messages)

    return asyncio.run(read())


def test_backup_is_verified_and_restores_the_store(
    run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = path.with_name("copy.db")

    assert run("backup", str(copy)) == OK
    assert capsys.readouterr().out == f"{copy}: no fault in 30 messages.\n"
    assert run("backup", str(copy)) == FAILED
    assert "exists already" in capsys.readouterr().err
    path.write_bytes(copy.read_bytes())
    assert count(path) == 30


def test_results_are_printed_as_json(
    run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, other, target = (path.with_name(name) for name in ("1.db", "2.db", "3.db"))
    archive = path.with_name("archive.jsonl")
    archive.write_text("")
    copied = ("copy-store", "--json", f"sqlite:{path}", f"sqlite:{target}")
    expected = {
        ("backup", "--json", str(copy)): {"verified": True, "messages": 30, "faults": []},
        ("backup", "--json", "--no-verify", str(other)): {"verified": False},
        ("verify", "--json"): {"store": str(path), "verified": True, "messages": 30},
        copied: {"resumed": False, "differences": []},
        ("import", "json-lines", "--json", str(archive)): {"owners": {}, "unreadable": []},
    }
    for arguments, part in expected.items():
        assert run(*arguments) == OK
        printed = json.loads(capsys.readouterr().out)
        assert printed == {**printed, **part}

    assert run(*copied) == FAILED
    error = json.loads(capsys.readouterr().err)
    assert (error["error"], error["exit_code"]) == ("failed", FAILED)
    assert "not empty" in error["message"]


def test_fault_is_printed(run: Run, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify") == OK
    connection = sqlite3.connect(path)
    connection.execute("UPDATE owners SET messages = 5")
    connection.commit()
    connection.close()
    capsys.readouterr()

    assert run("verify", str(path)) == FAILED
    output = capsys.readouterr().out
    assert f"{ALICE}: it counts 5 messages" in output
    assert output.endswith(f"{path}: 1 fault.\n")


def test_damaged_file_is_named(run: Run, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(path.read_bytes())
    data[8192 * 5 : 8192 * 7] = b"\xff" * 8192 * 2
    damaged = path.with_name("damaged.db")
    damaged.write_bytes(data)

    assert run("verify", str(damaged)) == FAILED
    assert run("verify", str(path.with_name("none.db"))) == FAILED
    captured = capsys.readouterr()
    assert captured.out or captured.err


def test_store_is_copied(run: Run, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = path.with_name("target.db")

    assert run("copy-store", f"sqlite:{path}", f"sqlite:{target}") == OK
    assert "Both stores have the same rows." in capsys.readouterr().out
    assert count(target) == 30
    assert run("copy-store", f"sqlite:{path}", f"sqlite:{target}") == FAILED
    assert "not empty" in capsys.readouterr().err
    assert run("copy-store", f"sqlite:{path}", f"sqlite:{path}") == FAILED


def test_store_in_use_is_not_copied_and_takes_no_import(
    run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = path.with_name("archive.jsonl")
    archive.write_text("")

    async def hold() -> tuple[int, int, int]:
        async with open_storage(f"sqlite:{path}"):
            return (
                await asyncio.to_thread(run, "copy-store", f"sqlite:{path}", "sqlite:/x/y.db"),
                await asyncio.to_thread(run, "import", "json-lines", str(archive)),
                await asyncio.to_thread(run, "backup", str(path.with_name("copy.db"))),
            )

    assert asyncio.run(hold()) == (UNREACHABLE, UNREACHABLE, OK)
    assert capsys.readouterr().err.count("stop Muniment first") == 2


def test_import_of_nothing_is_done(
    run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = path.with_name("archive.jsonl")
    archive.write_text("")

    assert run("import", "json-lines", str(archive)) == OK
    assert capsys.readouterr().out.startswith("0 messages were added to 0 archives")
    assert run("import", "json-lines", str(archive), "--since", "yesterday") == FAILED
    assert run("import", "ejabberd", "mssql://x") == FAILED
    assert "URL of a database" in capsys.readouterr().err


def test_report_of_an_import_has_nouns_and_separators(capsys: pytest.CaptureFixture[str]) -> None:
    report = ImportReport(owners={ALICE: OwnerReport(added=12_345, present=1, missing=1)})
    options = Namespace(json=False, dry_run=False, no_verify=False)

    print_report(report, options)

    assert capsys.readouterr().out.splitlines() == [
        f"{ALICE}: 12,345 messages added, 1 present, 1 MISSING",
        "12,345 messages were added to 1 archive, 1 was there already. "
        "Verification: 1 message missing, 0 different.",
    ]


def test_report_of_a_comparison_has_nouns_and_separators(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [MissingMessage(at=NOON, peer=BOB, id="7")]
    comparison = OwnerComparison(
        owner=ALICE, there=12_345, here=1_345, missing_here=11_000, named_there=named
    )

    print_comparison(comparison, in_json=False)

    assert capsys.readouterr().out.splitlines() == [
        f"{ALICE}: 12,345 messages there, 1,345 here, 11,000 missing here, 0 missing there",
        f"  only there: 2026-01-01T12:00:00.000000Z {BOB} 7",
        "  only there: 10,999 more",
    ]


def test_bar_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for is_terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda is_terminal=is_terminal: is_terminal)
        with progress_bar("Import", 10) as bar:
            bar.advance(5)
            bar.set(6, 12)
        assert ("Import" in capsys.readouterr().err) == is_terminal
