"""The wheel has the files that the program and its operators need, and works by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from component import __version__

ROOT = Path(__file__).parents[2]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

#: Files for operators, by their places below the environment.
SHARED = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]

UV = [sys.executable, "-m", "uv"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the installed hatchling, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=100,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    """The files of the wheel."""
    with ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment of the wheel, as `uv tool install` makes it with the locked packages."""
    folder = tmp_path_factory.mktemp("tool")
    locked = folder / "locked.txt"
    export = [*UV, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes"]
    subprocess.run(
        [*export, "-o", str(locked)], cwd=ROOT, check=True, capture_output=True, timeout=60
    )
    install = [*UV, "tool", "install", "--python", sys.executable, "--constraints", str(locked)]
    environment = {
        **os.environ,
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
    }
    # The second time the packages are in the cache, and no index is asked.
    for offline in (["--offline"], []):
        process = subprocess.run(
            [*install, *offline, str(wheel)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if process.returncode == 0:
            break
    assert process.returncode == 0, process.stderr
    assert (folder / "bin" / "muniment").exists()
    return folder / "tools" / "muniment"


def test_wheel_has_two_packages(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}

    packages = {top for top in tops if not top.endswith((".dist-info", ".data"))}
    assert packages == {"component", "storage"}


def test_wheel_has_the_migrations(names: list[str]) -> None:
    migrations = {str(path.relative_to(ROOT)) for path in ROOT.glob("storage/*/migrations/*.sql")}

    assert migrations
    assert {name for name in names if name.endswith(".sql")} == migrations


def test_wheel_has_the_files_of_the_pages(names: list[str]) -> None:
    folders = (ROOT / "component/web/pages/static", ROOT / "component/web/operators/templates")
    files = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }

    assert files
    assert files <= set(names)


def test_wheel_has_types_licence_and_command(names: list[str]) -> None:
    assert {"component/py.typed", "storage/py.typed", "component/cli/__init__.py"} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)


def test_wheel_has_the_files_for_operators(names: list[str]) -> None:
    data = f"muniment-{__version__}.data/data/"
    docs = {f"docs/{path.relative_to(ROOT / 'docs')}" for path in ROOT.glob("docs/**/*.md")}

    assert {name.removeprefix(data) for name in names if name.startswith(data)} >= {
        *(place for source, place in SHARED.items() if source != "docs"),
        *(f"share/doc/muniment/{path}" for path in docs),
    }


def test_metadata_names_licence_and_classifiers_that_exist(wheel: Path) -> None:
    """`trove-classifiers` is what the index checks names of classifiers with."""
    from trove_classifiers import classifiers

    with ZipFile(wheel) as archive:
        metadata = archive.read(f"muniment-{__version__}.dist-info/METADATA").decode()

    assert "\nLicense-Expression: MIT\nLicense-File: LICENSE\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert set(PROJECT["project"]["classifiers"]) <= classifiers


def test_installed_wheel_makes_a_configuration_and_accepts_it(
    installed: Path, tmp_path: Path
) -> None:
    def muniment(*arguments: str) -> str:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MUNIMENT_")
        }
        process = subprocess.run(
            [installed / "bin" / "muniment", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    assert muniment("--version") == f"muniment {__version__}\n"
    printed = muniment("init", "new")
    assert f"created  {tmp_path}/new/muniment.toml\n" in printed
    assert f"is in {installed}/share/muniment." in printed
    checked = muniment("check-config", "--offline", "--config", "new/muniment.toml")
    assert "ok  configuration: new/muniment.toml\n" in checked
    assert (installed / "share/muniment/muniment.service").read_bytes() == (
        ROOT / "packaging/muniment.service"
    ).read_bytes()
