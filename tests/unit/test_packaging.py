"""The wheel has the files that the program needs, and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the wheel with the installed hatchling, without network, and list its files."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=100,
    )
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_has_two_packages(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"component", "storage"}


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
