"""The files that the code determines are those of the code, and programs accept them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from support.command import ROOT

from component import cli

BASH = ROOT / "packaging" / "completions" / "bash" / "muniment"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script that writes the files."""
    spec = spec_from_file_location("generate", ROOT / "scripts" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(generate: ModuleType) -> dict[Path, str]:
    """The content of each file by its path, in a process whose terminal has another width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        return dict(generate.generated())


def test_files_are_those_of_the_code(files: dict[Path, str]) -> None:
    old = [str(path) for path, text in files.items() if path.read_text() != text]

    assert not old, "run `make generated`"


def test_manual_page_has_every_command(generate: ModuleType) -> None:
    page = (ROOT / generate.MANUAL_PAGE).read_text().replace("\\-", "-")
    commands = cli.parser()._subparsers
    assert commands is not None
    [action] = commands._group_actions

    assert isinstance(action.choices, dict)
    assert [name for name in action.choices if f"'muniment {name}'" not in page] == []


def complete(*words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    script = (
        f'source {BASH}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_shtab_muniment muniment "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-c", script, "bash", "muniment", *words]
    process = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return process.stdout.split()


def test_bash_completes_commands_and_their_options() -> None:
    assert complete("ini") == ["init"]
    assert complete("check-config", "--o") == ["--offline"]


def test_bash_completes_files(tmp_path: Path) -> None:
    (tmp_path / "other.toml").touch()

    assert complete("serve", "--config", f"{tmp_path}/ot") == [f"{tmp_path}/other.toml"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_shells_that_are_installed_accept_their_completions(
    generate: ModuleType, shell: str
) -> None:
    """A shell that is not installed is not asked."""
    if (program := shutil.which(shell)) is None:
        assert sys.platform == "linux"
        return

    subprocess.run([program, "-n", ROOT / generate.COMPLETIONS[shell]], check=True, timeout=30)
