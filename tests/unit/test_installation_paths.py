"""The systemd unit, the example, the operator guide and docs/operations.md agree about paths."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from support.shell_blocks import OPERATIONS, OPERATOR_GUIDE, ROOT, UNIT, shell_blocks

from component import cli
from component.config.sections import Storage

CONFIGURATION = "/etc/muniment/muniment.toml"
DATA = "/var/lib/muniment"
INSTALL = "\n".join(shell_blocks(OPERATOR_GUIDE, "Install"))


@pytest.fixture(scope="module")
def service() -> dict[str, list[str]]:
    """Return the values of each key in the section `[Service]` of the unit."""
    section = UNIT.read_text().partition("\n[Service]\n")[2].partition("\n[")[0]
    values: dict[str, list[str]] = {}
    for key, value in re.findall(r"^([A-Za-z]+)=(.*)$", section, re.MULTILINE):
        values.setdefault(key, []).append(value)
    return values


def test_unit_runs_the_installed_program_with_the_installed_configuration(
    service: dict[str, list[str]],
) -> None:
    assert service["ExecStart"] == [f"/opt/muniment/bin/muniment serve --config {CONFIGURATION}"]
    assert "python3 -m venv /opt/muniment\n" in INSTALL
    assert f"\nmuniment init {Path(CONFIGURATION).parent} " in INSTALL
    assert f"install -m 644 {UNIT.relative_to(ROOT)} /etc/systemd/system/\n" in INSTALL
    assert Path(CONFIGURATION) in cli.PLACES


def test_unit_runs_as_the_created_user_that_checks_the_configuration(
    service: dict[str, list[str]],
) -> None:
    assert (service["User"], service["Group"]) == (["muniment"], ["muniment"])
    assert re.search(r"^useradd --system --user-group .* muniment$", INSTALL, re.MULTILINE)
    for chapter in ("Install", "Upgrade"):
        blocks = "\n".join(["", *shell_blocks(OPERATIONS, chapter)])
        assert "\nrunuser -u muniment -- muniment check-config\n" in blocks


def test_unit_sets_no_environment(
    service: dict[str, list[str]],
) -> None:
    forbidden = ("Environment", "EnvironmentFile", "PassEnvironment", "LoadCredential")

    assert not [key for key in service if key.startswith(forbidden)]
    assert "DynamicUser" not in service


def test_default_database_is_in_the_state_directory_of_the_unit(
    service: dict[str, list[str]],
) -> None:
    assert service["StateDirectory"] == [Path(DATA).name]
    assert service["WorkingDirectory"] == [DATA]
    assert service["ProtectSystem"] == ["strict"]
    assert Storage.model_fields["url"].default == f"sqlite:{DATA}/muniment.db"
    [mode] = service["StateDirectoryMode"]
    assert f"install -d -o muniment -g muniment -m {mode[1:]} {DATA}\n" in INSTALL
    assert f" --storage sqlite:{DATA}/muniment.db\n" in INSTALL


def test_secrets_of_the_example_are_the_created_files() -> None:
    example = tomllib.loads((ROOT / "muniment.toml.example").read_text())

    for section in ("xmpp", "http"):
        assert example[section]["secret"] == f"file:{section}-secret"
    assert " --group muniment " in INSTALL


def test_systemd_analyze_accepts_the_unit(tmp_path: Path, service: dict[str, list[str]]) -> None:
    """Without systemd the test checks one key only."""
    command = shutil.which("systemd-analyze")
    if command is None:
        assert service["Type"] == ["simple"]
        return
    unit = tmp_path / UNIT.name
    # systemd-analyze requires that the program exists.
    unit.write_text(UNIT.read_text().replace("/opt/muniment/bin/muniment", "/bin/true"))

    process = subprocess.run(
        [command, "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (process.returncode, process.stderr) == (0, "")
