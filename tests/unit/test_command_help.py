"""Help with examples that work, --json everywhere, suggestions, colours, and errors as JSON."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from component import cli
from component.cli import exit_codes
from component.cli.colours import Colour, painted
from component.cli.help import GROUPS
from component.cli.parsers import Parser


def leaves(parser: Parser) -> Iterator[Parser]:
    """Yield the parsers of all subcommands that have none themselves."""
    if parser.subcommands is None:
        yield parser
        return
    for subcommand in parser.subcommands.choices.values():
        yield from leaves(subcommand)


PARSERS = list(leaves(cli.parser()))

every_command = pytest.mark.parametrize(
    "parser", PARSERS, ids=[parser.prog.removeprefix("muniment ") for parser in PARSERS]
)


@every_command
def test_help_has_examples_that_are_understood(parser: Parser) -> None:
    """An example may send a file to the command, or its output into one."""
    text = parser.format_help()
    assert parser.examples
    for example in parser.examples:
        assert f"  {example}\n" in text
        command, *arguments = shlex.split(example.partition(" < ")[0].partition(" > ")[0])
        options = cli.parser().parse(arguments)
        assert command == "muniment"
        assert f"{parser.prog} ".startswith(f"muniment {options.command} ")


@every_command
def test_every_command_has_the_option_json_and_a_description(parser: Parser) -> None:
    assert "--json" in parser.format_usage()
    assert parser.description


def test_help_lists_each_command_once_in_a_group() -> None:
    text = cli.parser().format_help()
    subcommands = cli.parser().subcommands
    assert subcommands is not None

    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(subcommands.choices)
    for name in named:
        assert text.count(f"\n  {name} ") == 1
    assert "\nother:" not in text


def wrong(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a wrong command line prints to standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == exit_codes.USAGE
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("srve", "did you mean serve?"),
        ("chek-config", "did you mean check-config?"),
        ("import prosdy x", "did you mean prosody?"),
        ("permissions explan a b", "did you mean explain?"),
        ("check-config --ofline", "did you mean --offline?"),
        ("import prosody x --dry-rn", "did you mean --dry-run?"),
        ("export a@b --format=xep0228", "did you mean xep0227?"),
        ("export a@b --ouput=x", "did you mean --output?"),
    ],
)
def test_nearest_name_is_suggested(
    capsys: pytest.CaptureFixture[str], line: str, hint: str
) -> None:
    error = wrong(capsys, *line.split())

    assert error.startswith("usage: muniment")
    assert error.splitlines()[-1].endswith(hint)
    assert "choose from" not in error


def test_all_names_are_listed_if_none_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    error = wrong(capsys, "xyzzy")

    assert "did you mean" not in error
    assert "(choose from init, serve, " in error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("srve --json", "did you mean serve?"),
        ("count --json", "the following arguments are required: JID"),
    ],
)
def test_wrong_command_line_is_reported_as_json(
    capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    error = json.loads(wrong(capsys, *line.split()))

    assert (error["error"], error["exit_code"]) == ("wrong-usage", exit_codes.USAGE)
    assert message in error["message"]


@pytest.mark.parametrize("command", ["check-config", "doctor", "token-key", "users", "verify"])
def test_wrong_configuration_is_reported_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    config = tmp_path / "muniment.toml"
    config.write_text("[http]\nport = 0\n")

    code = cli.main([command, "--json", "--config", str(config)])

    captured = capsys.readouterr()
    assert code == (exit_codes.FAILED if command == "doctor" else exit_codes.CONFIG_WRONG)
    assert "http.port" in json.dumps(json.loads(captured.out or captured.err))
    assert not (captured.out and captured.err)


CONFIGURED = """
xmpp.jid = "archive.chat.example"
xmpp.hosts = ["chat.example"]
xmpp.secret = "for this test"
http.enabled = false
ejabberd_api.enabled = true
tokens.key_file = "tokens.json"
push.key_file = "push.pem"
push.contact = "mailto:ann@chat.example"
"""


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        ("check-config --offline", 0, {"exit_code": 0}),
        ("ejabberd-config 26.07", 0, {}),
        ("permissions explain a@chat.example get_roster", 0, {"permitted": True, "notes": []}),
        ("permissions explain a@chat.example unregister", 1, {"permitted": False}),
        ("push-key", 0, {}),
        ("token-key", 0, {}),
    ],
)
def test_result_is_printed_as_one_line_of_json(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
    code: int,
    part: dict[str, object],
) -> None:
    config = tmp_path / "muniment.toml"
    config.write_text(CONFIGURED)
    config.chmod(0o600)
    name, *arguments = line.split()
    before = ["explain"] if name == "permissions" else []
    given = [name, *before, "--json", "--config", str(config), *arguments[len(before) :]]

    assert cli.main(given) == code
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert captured.out.count("\n") == 1
    assert printed == {**printed, **part}
    keys = {
        "check-config": "checks",
        "ejabberd-config": "options",
        "permissions": "reasons",
        "push-key": "public_key",
        "token-key": "options",
    }
    assert printed[keys[name]]


def test_exit_codes_have_a_name_and_a_meaning() -> None:
    assert exit_codes.NAMES.keys() == exit_codes.MEANINGS.keys()


@pytest.mark.parametrize(
    ("is_terminal", "environment", "is_coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
    environment: dict[str, str],
    is_coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    file = io.StringIO()
    file.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", file)

    assert painted("ok", Colour.GREEN) == ("\x1b[32mok\x1b[0m" if is_coloured else "ok")
