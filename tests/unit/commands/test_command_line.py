"""Commands on the command line: output for people and programs, exit codes, passwords."""

from __future__ import annotations

import asyncio
import getpass
import io
import json
import stat
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.builders import ALICE, BOB, entries, entry, message
from support.operator_commands import Operated
from support.ports import free_port
from support.wire import HOST, until

from component import cli
from component.cli import exit_codes, output
from component.cli.export import Counter
from component.core.commands.dispatch import COMMANDS
from component.core.commands.spec import FieldKind
from storage.rows import Contact


async def run(operated: Operated, *arguments: str) -> int:
    """Run a command and return its exit code."""
    name, *options = arguments
    return await asyncio.to_thread(cli.main, [name, "--config", str(operated.config), *options])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Simulate a terminal; the value is the list of passwords that are typed there in turn."""
    typed: list[str] = []
    keyboard = io.StringIO()
    keyboard.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", keyboard)
    monkeypatch.setattr(getpass, "getpass", lambda _: typed.pop(0))
    yield typed
    assert typed == []


# Output


async def test_rows_are_printed_as_an_aligned_table(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    await operated.wire.archive.append(entries(12))
    code = await run(operated, "archives")
    captured = capsys.readouterr()

    head, line = captured.out.splitlines()
    assert (code, head.split(), captured.err) == (
        exit_codes.OK,
        ["OWNER", "MESSAGES", "BYTES", "OLDEST", "NEWEST"],
        "1 archive.\n",
    )
    assert line.split()[:2] == [ALICE, "12"]
    assert line.index("12") + 2 == head.index("MESSAGES") + len("MESSAGES")


async def test_list_is_printed_one_item_per_line(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    for jid in (ALICE, BOB):
        await operated.services.accounts.admin.register(jid, "a password")
    await run(operated, "users")

    assert capsys.readouterr() == (f"{ALICE}\n{BOB}\n", "2 accounts.\n")


async def test_owner_of_an_empty_roster_is_not_printed_as_a_contact(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    await operated.services.accounts.admin.register(ALICE, "a password")
    await run(operated, "roster", ALICE)

    assert capsys.readouterr() == (f"accountjids  {ALICE}\n", "0 contacts.\n")


async def test_values_are_printed_with_their_names(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(operated, "count", ALICE)

    assert capsys.readouterr().out.splitlines() == [
        f"owner     {ALICE}",
        "messages  0",
        "bytes     0 bytes",
        "oldest    -",
        "newest    -",
        "held      no",
    ]


async def test_option_json_prints_one_line_of_json(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(operated, "count", "--json", ALICE)
    captured = capsys.readouterr()

    assert json.loads(captured.out)["values"]["messages"] == 0
    assert (captured.err, captured.out.count("\n")) == ("", 1)


async def test_control_characters_are_not_printed(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = Contact(jid=BOB, name="\x1b[2J\x1b]0;owned\x07\n\u202e", groups=("\x9bx",))
    await operated.wire.storage.contacts.put(ALICE, evil)
    await run(operated, "roster", ALICE)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"accountjids  {ALICE}"
    assert len(lines) == 3
    assert lines[2].isprintable()


def test_row_of_many_values_is_printed_one_value_a_line_with_sizes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"state": "done", **{f"n{n}": n for n in range(7)}, "freed_bytes": 2_500_000}
    output.print_outcome({"message": "Done.", "values": {}, "rows": [row, row]}, in_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "state        done"
    assert lines[8:10] == ["freed_bytes  2.5 MB", ""]
    assert len(lines) == 19


def test_message_is_printed_if_there_are_no_values_or_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_outcome({"message": "Done.", "values": {}, "rows": []}, in_json=False)

    assert capsys.readouterr() == ("Done.\n", "")


# Exit codes


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("count", "@"), exit_codes.USAGE, "owner: '@' is not an address"),
        (("disable-user", BOB), exit_codes.FAILED, f"{BOB}: There is no such account."),
        (
            ("archives", "--host", "a.example"),
            exit_codes.USAGE,
            "host: a.example is not a virtual host",
        ),
        (("export", "@"), exit_codes.FAILED, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_refusal_has_an_exit_code_and_a_reason(
    operated: Operated,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    error: str,
) -> None:
    assert await run(operated, *arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"muniment: {error}")


def test_refused_connection_is_reported_with_the_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    config = tmp_path / "muniment.toml"
    config.write_text(f'[http]\nport = {port}\nsecret = "x"\n')
    config.chmod(0o600)

    assert cli.main(["users", "--config", str(config)]) == exit_codes.UNREACHABLE
    assert capsys.readouterr().err == (
        f"muniment: Muniment does not answer at 127.0.0.1:{port}: Connection refused.\n"
    )


def test_wrong_configuration_is_reported_without_a_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "muniment.toml"
    config.write_text("[http]\nport = 0\n")

    assert cli.main(["users", "--config", str(config)]) == exit_codes.CONFIG_WRONG
    assert "http.port" in capsys.readouterr().err


async def test_wrong_secret_is_refused(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    operated.config.write_text(operated.config.read_text().replace("s3cret", "wrong"))

    assert await run(operated, "users") == exit_codes.FAILED
    assert "The secret that was shown is not known here" in capsys.readouterr().err


# Help


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_help_of_a_command_lists_its_fields(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])

    [command] = [command for command in COMMANDS if command.name == name]
    help_text = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert f"{command.title}." in help_text
    arguments = [field for field in command.fields if field.kind is not FieldKind.PASSWORD]
    assert all(field.label in help_text for field in arguments)
    assert ("--config PATH" in help_text, "The password is read from" in help_text) == (
        True,
        len(arguments) < len(command.fields),
    )


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])

    words = capsys.readouterr().out.split()
    assert {command.name for command in COMMANDS} <= set(words)


# Passwords


async def test_password_is_typed_twice_on_a_terminal(
    operated: Operated, terminal: list[str]
) -> None:
    terminal += ["secret words", "secret words"]

    assert await run(operated, "add-user", ALICE) == exit_codes.OK
    assert await operated.services.accounts.authenticator.authenticate(ALICE, "secret words")


async def test_different_passwords_are_refused(
    operated: Operated, terminal: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal += ["one", "two"]

    assert await run(operated, "add-user", ALICE) == exit_codes.USAGE
    assert capsys.readouterr().err == "muniment: The passwords differ.\n"


@pytest.mark.parametrize(("line", "password"), [("a b \n", "a b "), ("x\r\ny\n", "x"), ("x", "x")])
async def test_password_is_the_first_line_of_standard_input(
    operated: Operated, monkeypatch: pytest.MonkeyPatch, line: str, password: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))

    assert await run(operated, "add-user", ALICE) == exit_codes.OK
    assert await operated.services.accounts.authenticator.authenticate(ALICE, password)


async def test_empty_standard_input_is_no_password(
    operated: Operated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    assert await run(operated, "add-user", ALICE) == exit_codes.USAGE
    assert capsys.readouterr().err == "muniment: No password was given.\n"


@pytest.mark.parametrize("first", [(), ("one",)])
async def test_end_of_file_on_the_terminal_is_no_password(
    operated: Operated,
    monkeypatch: pytest.MonkeyPatch,
    terminal: list[str],
    capsys: pytest.CaptureFixture[str],
    first: tuple[str, ...],
) -> None:
    """The user types Ctrl-D at the first or at the second prompt."""
    typed = iter(first)

    def getpass_(_: str) -> str:
        for command in typed:
            return command
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", getpass_)

    assert await run(operated, "add-user", ALICE) == exit_codes.USAGE
    assert capsys.readouterr().err == "muniment: No password was given.\n"


async def test_argument_that_is_not_utf_8_is_refused(
    operated: Operated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python turns bytes that are not UTF-8 into lone surrogates."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("p\udce4ss\n"))

    for arguments in (("add-user", ALICE), ("count", "\udce4@a"), ("export", "\udce4@a")):
        assert await run(operated, *arguments) == exit_codes.USAGE
        assert capsys.readouterr().err.startswith("muniment: An argument or the password is not")


@pytest.mark.parametrize("arguments", [(ALICE, "secret"), (ALICE, "--password", "secret")])
def test_password_argument_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["add-user", *arguments])

    assert ended.value.code == exit_codes.USAGE


# Health, and a purge until its end


async def test_health_of_the_running_program_is_printed(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(operated, "health") == exit_codes.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "ready"
    assert "ok  link" in lines
    assert await run(operated, "health", "--json") == exit_codes.OK
    printed = json.loads(capsys.readouterr().out)
    assert (printed["status"], printed["parts"]["link"]) == ("ready", {"ok": True})

    operated.services.background.failed.append("janitor")
    assert await run(operated, "health") == exit_codes.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert (lines[-1], "bad tasks: failed janitor" in lines) == ("unready", True)


def test_program_that_does_not_run_has_no_health(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_for(tmp_path, free_port())

    assert cli.main(["health", "--config", config, "--json"]) == exit_codes.UNREACHABLE
    error = json.loads(capsys.readouterr().err)
    assert (error["error"], error["exit_code"]) == ("unreachable", exit_codes.UNREACHABLE)
    assert "Connection refused" in error["message"]


async def test_purge_is_followed_until_its_end(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    janitor = operated.commands.context.archives.janitor
    await until(lambda: janitor.last is not None)
    assert await run(operated, "purge", "--yes", "--wait", "--json") == exit_codes.OK

    printed = json.loads(capsys.readouterr().out)
    assert printed["message"] == "The purge is done."
    [purge] = printed["rows"]
    assert (purge["state"], purge["by"], purge["deleted"]) == ("done", "server", 0)
    assert purge["released_bytes"] is not None


# Export


async def test_export_file_is_readable_by_its_owner_only(
    operated: Operated, tmp_path: Path
) -> None:
    await operated.wire.archive.append(entries(500))
    path = tmp_path / "alice.jsonl"
    code = await run(operated, "export", ALICE, "--output", str(path))

    lines = path.read_text().splitlines()
    assert (code, len(lines), stat.S_IMODE(path.stat().st_mode)) == (exit_codes.OK, 500, 0o600)
    assert json.loads(lines[-1])["from"] == f"{BOB}/phone"


async def test_export_does_not_overwrite_a_file(
    operated: Operated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "alice.xml"
    path.write_text("precious")
    code = await run(operated, "export", ALICE, "--format", "xep0227", "--output", str(path))

    assert (code, path.read_text()) == (exit_codes.FAILED, "precious")
    assert capsys.readouterr().err == f"muniment: {path}: File exists\n"


async def test_export_reports_the_file_as_json(
    operated: Operated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await operated.wire.archive.append(entries(5))
    path = tmp_path / "alice.jsonl"
    code = await run(operated, "export", ALICE, "--output", str(path), "--json")

    size = path.stat().st_size
    printed = json.loads(capsys.readouterr().out)
    assert (code, printed) == (0, {"owner": ALICE, "output": str(path), "bytes": size})
    assert await run(operated, "export", ALICE, "--json") == exit_codes.USAGE
    assert "--json needs --output" in json.loads(capsys.readouterr().err)["message"]


async def test_refused_export_leaves_no_file(operated: Operated, tmp_path: Path) -> None:
    path = tmp_path / "nobody.jsonl"

    assert await run(operated, "export", "@", "--output", str(path)) == exit_codes.FAILED
    assert not path.exists()


@pytest.mark.parametrize("format", ["jsonl", "xep0227"])
async def test_bar_of_an_export_ends_at_the_number_of_messages(
    operated: Operated,
    tmp_path: Path,
    format: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await operated.wire.archive.append(
        [entry(n, xml=message(f"line\n{'x' * 200}")) for n in range(500)]
    )
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    arguments = ("--format", format, "--output", str(tmp_path / "alice"))

    assert await run(operated, "export", ALICE, *arguments) == exit_codes.OK
    assert "500/500" in capsys.readouterr().err


async def test_mark_is_counted_where_it_is_split() -> None:
    for size in (1, 2, 3, 4, 100):
        text = b"<m>..</m>..</m>\n</m></m>"
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        counter = Counter(b"</m>")

        assert sum(counter.count(piece) for piece in pieces) == 4


async def test_all_about_a_person_is_exported_to_a_file_of_its_owner(
    operated: Operated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await operated.wire.archive.append(entries(5))
    path = tmp_path / "alice.zip"

    assert await run(operated, "export-person", ALICE, "--output", str(path)) == exit_codes.OK
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        assert len(archive.read("messages.jsonl").splitlines()) == 5
    assert str(path) in capsys.readouterr().err

    nobody = tmp_path / "nobody.zip"
    assert await run(operated, "export-person", "@", "--output", str(nobody)) == exit_codes.FAILED
    assert not nobody.exists()


async def test_export_is_audited(operated: Operated, tmp_path: Path) -> None:
    await run(operated, "export", f"x@{HOST}", "--output", str(tmp_path / "x"))
    [audit_entry] = await operated.wire.storage.audit_log.entries(limit=10)

    assert (audit_entry.actor, audit_entry.action, audit_entry.subject) == (
        "server",
        "export",
        f"x@{HOST}",
    )


@asynccontextmanager
async def raw_server(*pieces: bytes) -> AsyncIterator[int]:
    """Answer every request with these bytes and close the connection; the value is the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.writelines(pieces)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def config_for(folder: Path, port: int) -> str:
    path = folder / "other.toml"
    path.write_text(f'[http]\nport = {port}\nsecret = "x"\n')
    path.chmod(0o600)
    return str(path)


async def test_broken_export_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "alice.jsonl"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with raw_server(head, b"3\r\n{}\n\r\n") as port:
        config = config_for(tmp_path, port)
        arguments = ["export", "--config", config, ALICE, "--output", str(path)]
        code = await asyncio.to_thread(cli.main, arguments)

    assert (code, path.exists()) == (exit_codes.UNREACHABLE, False)
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "body", [b"Hello", b"{}", b"[]", b'{"message": "x"}'], ids=lambda body: body.decode()
)
async def test_answer_of_another_program_is_unreachable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with raw_server(head, body) as port:
        arguments = ["users", "--config", config_for(tmp_path, port)]
        code = await asyncio.to_thread(cli.main, arguments)

    assert (code, capsys.readouterr().err) == (
        exit_codes.UNREACHABLE,
        "muniment: The program that answers there is not Muniment.\n",
    )


async def test_command_imports_no_part_of_the_program_that_it_asks(tmp_path: Path) -> None:
    """A command waits for its imports."""
    config = config_for(tmp_path, free_port())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "component", "users", "--config", config),
        cwd=Path(cli.__file__).parents[2],
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()

    assert process.returncode == exit_codes.UNREACHABLE
    imported = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert "aiohttp" in imported
    assert not imported & {"aiosqlite", "cryptography", "jwt", "slixmpp", "uvloop"}


async def test_closed_pipe_ends_the_export_without_traceback(operated: Operated) -> None:
    await operated.wire.archive.append(entries(1000))
    command = f"{sys.executable} -m component export --config {operated.config} {ALICE} | head -c1"
    shell = await asyncio.create_subprocess_shell(
        command,
        cwd=Path(cli.__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await shell.communicate()

    assert out == b"{"
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
