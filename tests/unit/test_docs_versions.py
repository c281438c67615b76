"""docs/supported-versions.md has the versions that the project declares and the tests run on."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from support.postgres import program
from support.program import Failed
from support.releases import SCRIPT, versions
from support.shell_blocks import ROOT

from component.config.ejabberd_yml import NEWEST, OLDEST

DOCUMENT = ROOT / "docs" / "supported-versions.md"


def row(name: str) -> tuple[list[str], list[str], str]:
    """Return what is tested, what is expected, and what is refused."""
    match = re.search(rf"^\| {name} \| (.*?) \| (.*?) \| (.*?) \|$", DOCUMENT.read_text(), re.M)
    assert match, f"{DOCUMENT.name} has no row for {name}"
    return match[1].split(", "), match[2].split(", "), match[3]


def test_versions_of_python_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested, expected, refused = row("Python")

    names = [name.rpartition(" :: ")[2] for name in project["classifiers"]]
    assert tested + expected == [name for name in names if re.fullmatch(r"3\.\d+", name)]
    assert project["requires-python"] == f">={refused.removeprefix('before ')}"


def test_tests_run_on_a_python_that_is_listed() -> None:
    tested, expected, _ = row("Python")

    assert "{}.{}".format(*sys.version_info) in tested + expected


def test_versions_of_ejabberd_are_those_that_the_tests_unpack() -> None:
    tested, _, refused = row("ejabberd")

    assert tuple(tested) == versions()
    assert (str(OLDEST), str(NEWEST)) == (tested[0], tested[-1])
    assert refused == f"before {OLDEST}"


def test_each_release_of_ejabberd_is_of_the_named_suite() -> None:
    suites = re.findall(r"^(\d\d\.\d\d) (\S+)$", SCRIPT.read_text(), re.M)
    document = re.sub(r"\s+", " ", DOCUMENT.read_text())

    assert [version for version, _ in suites] == list(versions())
    for version, suite in suites:
        assert f"{version} of `{suite}`" in document


def test_version_of_postgresql_is_that_of_the_tests(
    missing: Callable[[object], NoReturn],
) -> None:
    tested, _, _ = row("PostgreSQL")

    assert f"PostgreSQL {tested[0]} or newer" in (ROOT / "docs" / "postgresql.md").read_text()
    try:
        name = program("postgres")
    except Failed as error:
        missing(error)
    printed = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"\b(\d+)\.", printed.stdout)
    assert match
    assert match[1] in tested


def test_tests_run_on_the_debian_that_is_listed() -> None:
    tested, expected, _ = row("Debian")
    release = Path("/etc/os-release").read_text()

    if "\nID=debian\n" in f"\n{release}":
        match = re.search(r'^VERSION_ID="(\d+)"', release, re.M)
        assert match
        assert match[1] in tested + expected
    assert f"Debian {tested[0]}" in (ROOT / "docs" / "operations.md").read_text()
