"""The section `[handlers]`: its options, and the check of the operator's module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.configuration import REQUIRED, problems, read, write
from support.handlers import importing

from component import cli
from component.cli import exit_codes

ONE_HOST = REQUIRED.replace(', "team.example"', "")
HANDLERS = '[handlers]\nmodule = "own_handlers"\n'
VALID = "def user_exists(username): return True\ndef archive_store(payload): return True\n"


def test_module_is_empty_by_default(tmp_path: Path) -> None:
    assert read(tmp_path).handlers.module == ""


@pytest.mark.parametrize("name", ["7up", "own handlers", "own-handlers", "own..x", ".x", "x.py/"])
def test_invalid_module_name_is_refused(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, f'{REQUIRED}[handlers]\nmodule = "{name}"') == [
        f'handlers.module: expected the name of a Python module, given "{name}"'
    ]


def test_relative_path_starts_at_the_folder_of_the_file(tmp_path: Path) -> None:
    folder = f'{REQUIRED}[handlers]\npath = "lib"'

    assert read(tmp_path).handlers.path == str(tmp_path)
    assert read(tmp_path, folder).handlers.path == str(tmp_path / "lib")


def test_relative_path_in_a_variable_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.chdir(tmp_path)
    environ = {"MUNIMENT_HANDLERS__PATH": "lib", "MUNIMENT_HANDLERS__MODULE": "own"}

    handlers = read(tmp_path / "etc", REQUIRED, environ).handlers

    assert (handlers.path, handlers.module) == (str(tmp_path / "lib"), "own")


def check(folder: Path) -> int:
    with importing():
        return cli.main(["check-config", "--offline", "--config", str(folder / "muniment.toml")])


def test_check_config_lists_functions_of_the_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, ONE_HOST + HANDLERS)
    (tmp_path / "own_handlers.py").write_text(VALID)

    assert check(tmp_path) == exit_codes.OK
    output = capsys.readouterr().out
    assert "ok  handlers: own_handlers has user_exists, archive_store\n" in output


def test_check_config_imports_the_module_in_a_thread(tmp_path: Path) -> None:
    write(tmp_path, ONE_HOST + HANDLERS)
    import_time_loop = "import asyncio\nasyncio.run(asyncio.sleep(0))\n"
    (tmp_path / "own_handlers.py").write_text(import_time_loop + VALID)

    assert check(tmp_path) == exit_codes.OK


@pytest.mark.parametrize(
    ("hosts", "text", "problem"),
    [
        (ONE_HOST, None, "there is no module own_handlers, neither installed nor in "),
        (ONE_HOST, "import none_such", "own_handlers cannot be imported: "),
        (ONE_HOST, "", "own_handlers ("),
        (ONE_HOST, "def user_exists(): pass", "own_handlers.user_exists cannot be called as "),
        (REQUIRED, VALID, "own_handlers.user_exists must take the virtual host, because "),
    ],
)
def test_check_config_reports_mistakes_of_the_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hosts: str, text: str | None, problem: str
) -> None:
    write(tmp_path, hosts + HANDLERS)
    if text is not None:
        (tmp_path / "own_handlers.py").write_text(text)

    assert check(tmp_path) == exit_codes.CONFIG_WRONG
    assert f"bad handlers.module: {problem}" in capsys.readouterr().out


def test_serve_refuses_a_wrong_module(tmp_path: Path) -> None:
    path = write(tmp_path, ONE_HOST + HANDLERS)
    environ = {name: text for name, text in os.environ.items() if "MUNIMENT" not in name}

    process = subprocess.run(
        [sys.executable, "-m", "component", "serve", "--config", path],
        env={**environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert process.returncode == exit_codes.CONFIG_WRONG
    assert "handlers.module: there is no module own_handlers" in process.stderr
    assert not (tmp_path / "muniment.db").exists()
