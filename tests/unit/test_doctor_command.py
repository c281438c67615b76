"""`muniment doctor` prints findings and returns a code, also where there is no ejabberd."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.configuration import REQUIRED
from support.ports import free_port

from component import cli
from component.cli import doctor
from component.core.doctor.finding import Finding, Severity, ok


def printed(
    capsys: pytest.CaptureFixture[str], folder: Path, text: str, *options: str
) -> tuple[int, str]:
    """Run the command with a configuration; return its code and output."""
    path = folder / "muniment.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    code = cli.main(["doctor", "--config", str(path), *options])
    return code, capsys.readouterr().out


def unreachable() -> str:
    """Return a configuration in which nothing answers."""
    text = REQUIRED.replace("[http]", f"port = {free_port()}\n[http]", 1)
    return f'{text}port = {free_port()}\n[storage]\nurl = "sqlite::memory:"\n'


def test_missing_ejabberd_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = printed(capsys, tmp_path, unreachable(), "--json")

    data = json.loads(output)
    severities = {finding["check"]: finding["severity"] for finding in data["findings"]}
    assert code == 1
    assert severities["link"] == "error"
    assert severities["copies"] == severities["delegation"] == "skipped"
    assert data["summary"]["error"] == 1
    assert data["failure"] == ""


def test_each_mistake_of_the_configuration_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = printed(capsys, tmp_path, "[xmpp]\n", "--json")

    wrong = [f["seen"] for f in json.loads(output)["findings"] if f["check"] == "config"]
    assert code == 1
    assert any("xmpp.jid: required" in line for line in wrong)


def test_unknown_check_cannot_be_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = REQUIRED.replace("[http]", 'ignored_checks = ["mod_mam"]\n[http]', 1)

    code, output = printed(capsys, tmp_path, text)

    assert code == 1
    assert 'given "mod_mam"' in output


def test_options_are_printed_as_lines_of_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    fault = Finding(
        id="copies",
        severity=Severity.WARNING,
        seen="nothing is copied",
        change="name the component",
        options={"modules": {"mod_service_log": {"loggers": ["archive.test"]}}},
    )

    code = doctor.report([ok("link", "connected"), fault])

    margin = " " * 27
    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok       link              connected",
        "warning  copies            nothing is copied",
        f"{margin}name the component:",
        f"{margin}  modules:",
        f"{margin}    mod_service_log:",
        f"{margin}      loggers:",
        f"{margin}        - archive.test",
        "",
        "0 errors, 1 warning.",
        doctor.ADVICE,
    ]


def test_ejabberd_that_was_not_examined_is_told_by_the_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = doctor.report([ok("store", "fine")], failure="nobody answers")

    assert code == 2
    assert capsys.readouterr().err == "muniment: nobody answers\n"
