"""`muniment init`: a first configuration, with secrets, that is never overwritten."""

from __future__ import annotations

import grp
import json
import os
import re
import stat
from pathlib import Path

import pytest

from component import cli
from component.cli.exit_codes import FAILED, OK, USAGE
from component.config import load
from component.config.ejabberd_yml import NEWEST, OLDEST
from component.config.example import example


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without a configuration in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MUNIMENT_")]:
        monkeypatch.delenv(name)
    return tmp_path


def mode(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_configuration_loads_with_secrets_that_only_the_owner_reads(folder: Path) -> None:
    assert cli.main(["init", "new", "--host", "chat.example", "--host", "team.example"]) == OK

    config = load(folder / "new" / "muniment.toml", {})
    assert config.xmpp.jid == "muniment.chat.example"
    assert config.xmpp.hosts == ("chat.example", "team.example")
    assert config.warnings == ()
    assert config.storage.url == f"sqlite:{folder}/new/muniment.db"
    assert config.http.secret is not None
    secrets = {
        section.secret.get_secret_value()
        for section in (config.xmpp, config.http)
        if section.secret
    }
    assert len(secrets) == 2
    assert min(map(len, secrets)) >= 32
    assert mode(folder / "new") == 0o700
    files = sorted((folder / "new").iterdir())
    assert [path.name for path in files] == ["http-secret", "muniment.toml", "xmpp-secret"]
    assert {mode(path) for path in files} == {0o600}


def test_configuration_is_the_example_with_other_values(folder: Path) -> None:
    """Both have one source: they differ in what they set and in what they say of themselves."""
    cli.main(["init"])
    written = (folder / "muniment.toml").read_text().splitlines()
    shown = example().splitlines()

    differing = {line for line in shown if line not in written} - set(shown[:4])

    assert {line.lstrip("#").partition(" =")[0] for line in differing} == {"jid", "hosts", "url"}


def test_defaults_are_those_of_a_new_ejabberd_and_of_the_service(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", "--json"]) == OK

    config = load(folder / "muniment.toml", {})
    assert (config.xmpp.jid, config.xmpp.hosts) == ("muniment.localhost", ("localhost",))
    assert json.loads(capsys.readouterr().out)["ejabberd"]["version"] == str(NEWEST)


def test_second_run_changes_nothing_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["init"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()

    assert cli.main(["init", "--host", "other.example"]) == FAILED

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "exists, and nothing was changed" in capsys.readouterr().err


def test_secret_that_exists_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ejabberd may have it already."""
    (folder / "xmpp-secret").write_text("of ejabberd\n")
    (folder / "xmpp-secret").chmod(0o600)

    assert cli.main(["init"]) == OK

    secret = load(folder / "muniment.toml", {}).xmpp.secret
    assert secret.get_secret_value() == "of ejabberd"
    assert f"kept     {folder}/xmpp-secret" in capsys.readouterr().out


def test_wrong_value_is_named_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", "new", "--host", "Not a domain"]) == USAGE

    assert f"{folder}/new/muniment.toml: xmpp.hosts[0]: expected" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_folder_that_cannot_be_made_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").touch()

    assert cli.main(["init", "file/new"]) == FAILED

    assert f"{folder}/file/new: Not a directory" in capsys.readouterr().err


def test_group_may_read_the_files(folder: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name

    assert cli.main(["init", "new", "--group", group]) == OK

    assert mode(folder / "new") == 0o750
    assert {mode(path) for path in (folder / "new").iterdir()} == {0o640}


def test_unknown_group_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "--group", "no-such-group"]) == FAILED

    assert "there is no group no-such-group" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_options_of_ejabberd_are_those_of_ejabberd_config(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["init", "--ejabberd", str(OLDEST)])
    printed = capsys.readouterr().out
    cli.main(["ejabberd-config", str(OLDEST), "--config", f"{folder}/muniment.toml"])

    options = capsys.readouterr().out
    assert options in printed
    assert "include_config_file: /etc/ejabberd/muniment.yml" in re.sub(r"\s+", " ", printed)
    for secret in ("xmpp-secret", "http-secret"):
        assert (folder / secret).read_text().strip() not in printed


def test_json_has_everything_and_no_secret(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["init", "--json", "--host", "chat.example", "--address", "192.0.2.1"])

    printed = capsys.readouterr().out
    data = json.loads(printed)
    assert data["config"] == f"{folder}/muniment.toml"
    assert data["created"] == [
        f"{folder}/{name}" for name in ("muniment.toml", "xmpp-secret", "http-secret")
    ]
    assert data["kept"] == []
    assert data["ejabberd"]["options"]["listen"][0]["ip"] == "192.0.2.1"
    assert len(data["next"]) == 5
    assert (folder / "xmpp-secret").read_text().strip() not in printed
