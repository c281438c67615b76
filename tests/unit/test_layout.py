"""The unit, the example, README.md and docs/operations.md agree where everything is."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from support.shell_blocks import OPERATIONS, README, ROOT, UNIT, shell_blocks

from component import cli
from component.config.sections import Storage

CONFIGURATION = "/etc/muniment/muniment.toml"
DATA = "/var/lib/muniment"
INSTALL = "\n".join(shell_blocks(OPERATIONS, "Install"))


@pytest.fixture(scope="module")
def service() -> dict[str, list[str]]:
    """Return what the unit says of the service: the values of each key."""
    section = UNIT.read_text().partition("\n[Service]\n")[2].partition("\n[")[0]
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^([A-Za-z]+)=(.*)$", section, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_the_unit_runs_what_is_installed_on_the_file_that_is_installed(
    service: dict[str, list[str]],
) -> None:
    assert service["ExecStart"] == [f"/opt/muniment/bin/muniment serve --config {CONFIGURATION}"]
    assert "python3 -m venv /opt/muniment\n" in INSTALL
    assert f"-m 640 muniment.toml.example {CONFIGURATION}\n" in INSTALL
    assert f"install -m 644 {UNIT.relative_to(ROOT)} /etc/systemd/system/\n" in INSTALL
    assert Path(CONFIGURATION) in cli.PLACES


def test_the_unit_runs_as_the_user_who_is_made_and_who_checks(
    service: dict[str, list[str]],
) -> None:
    assert (service["User"], service["Group"]) == (["muniment"], ["muniment"])
    assert re.search(r"^useradd --system --user-group .* muniment$", INSTALL, re.MULTILINE)
    for chapter in ("Install", "Upgrade"):
        assert "\nrunuser -u muniment -- muniment check-config\n" in "\n".join(
            shell_blocks(OPERATIONS, chapter)
        )


def test_nothing_is_set_in_the_unit_that_commands_would_not_see(
    service: dict[str, list[str]],
) -> None:
    strangers = ("Environment", "EnvironmentFile", "PassEnvironment", "LoadCredential")

    assert not [key for key in service if key.startswith(strangers)]
    assert "DynamicUser" not in service


def test_the_archive_is_where_the_unit_lets_it_be_written(service: dict[str, list[str]]) -> None:
    assert service["StateDirectory"] == [Path(DATA).name]
    assert service["WorkingDirectory"] == [DATA]
    assert service["ProtectSystem"] == ["strict"]
    assert Storage.model_fields["url"].default == f"sqlite:{DATA}/muniment.db"
    [mode] = service["StateDirectoryMode"]
    assert f"install -d -o muniment -g muniment -m {mode[1:]} {DATA}\n" in INSTALL


def test_the_secrets_of_the_example_are_the_files_that_are_made() -> None:
    example = tomllib.loads((ROOT / "muniment.toml.example").read_text())

    for section in ("xmpp", "http"):
        assert example[section]["secret"] == f"file:{section}-secret"
    assert "for name in xmpp http; do\n" in INSTALL
    assert '-o root -g muniment -m 640 /dev/stdin "/etc/muniment/$name-secret"' in INSTALL
    assert "install -d -o root -g muniment -m 750 /etc/muniment\n" in INSTALL


def test_the_readme_installs_as_the_operations_do() -> None:
    assert shell_blocks(README, "Add Muniment to your ejabberd") == shell_blocks(
        OPERATIONS, "Install"
    )


def test_systemd_finds_nothing_wrong_with_the_unit(
    tmp_path: Path, service: dict[str, list[str]]
) -> None:
    """Where there is no systemd, the tests above are what there is to find."""
    command = shutil.which("systemd-analyze")
    if command is None:
        assert service["Type"] == ["simple"]
        return
    unit = tmp_path / UNIT.name
    # systemd wants the program to be there.
    unit.write_text(UNIT.read_text().replace("/opt/muniment/bin/muniment", "/bin/true"))

    done = subprocess.run(
        [command, "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
