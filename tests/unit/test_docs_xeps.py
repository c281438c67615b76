"""The table of XEPs agrees with the modules, their versions and their tests."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_ROW = re.compile(
    r"\| \[(?P<number>\d{4})\]\((?P<url>\S+)\) (?P<name>[^|]+) \| (?P<version>[^|]+) "
    r"\| (?P<done>[^|]+) \|(?P<missing>[^|]*)\| `(?P<module>[^`|]+)` \| `(?P<tests>[^`|]+)` \|"
)
_CLAIM = re.compile(r"XEP-(\d{4}): ([^,]+), version (\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Claim:
    """A XEP and its version as the docstring of a module names them."""

    number: str
    name: str
    version: str
    module: str


def rows() -> list[re.Match[str]]:
    lines = (ROOT / "docs" / "xeps.md").read_text().splitlines()
    return [row for line in lines if (row := _ROW.fullmatch(line))]


def claims() -> list[Claim]:
    all_claims = []
    for path in sorted((ROOT / "component").rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        module = str(path.relative_to(ROOT))
        all_claims += [
            Claim(number, name, version, module)
            for number, name, version in _CLAIM.findall(" ".join(docstring.split()))
        ]
    return all_claims


CLAIMS = pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.number)
ROWS = pytest.mark.parametrize("row", rows(), ids=lambda row: row["number"])


def test_every_line_of_the_table_has_the_columns() -> None:
    lines = (ROOT / "docs" / "xeps.md").read_text().splitlines()

    assert len(rows()) == sum(line.startswith("|") for line in lines) - 2


def test_modules_name_the_main_xeps() -> None:
    minimum = {"0030", "0059", "0114", "0199", "0297", "0313", "0334", "0355", "0356"}

    assert minimum <= {claim.number for claim in claims()}


def test_every_xep_in_the_code_is_on_the_page() -> None:
    texts = [path.read_text() for path in (ROOT / "component").rglob("*.py")]
    page = (ROOT / "docs" / "xeps.md").read_text()
    listed = {row["number"] for row in rows()} | set(re.findall(r"XEP-(\d{4})", page))

    assert set(re.findall(r"XEP-(\d{4})", "".join(texts))) <= listed


@CLAIMS
def test_xep_of_a_module_is_in_the_table(claim: Claim) -> None:
    listed = {(r["number"], r["name"], r["version"], r["module"]) for r in rows()}

    assert (claim.number, claim.name, claim.version, claim.module) in listed


@CLAIMS
def test_xep_of_a_module_has_a_conformance_test(claim: Claim) -> None:
    [row] = [row for row in rows() if row["number"] == claim.number]

    assert row["tests"] == f"tests/conformance/test_xep_{claim.number}.py"


@ROWS
def test_module_of_a_row_exists(row: re.Match[str]) -> None:
    assert (ROOT / row["module"]).is_file()


@ROWS
def test_tests_of_a_row_exist(row: re.Match[str]) -> None:
    assert (ROOT / row["tests"]).is_file()


@ROWS
def test_row_links_to_its_xep(row: re.Match[str]) -> None:
    assert row["url"] == f"https://xmpp.org/extensions/xep-{row['number']}.html"


@ROWS
def test_tests_of_a_row_name_its_version(row: re.Match[str]) -> None:
    """Tests of a XEP's own are of the version that the table names."""
    text = (ROOT / row["tests"]).read_text()
    own = row["tests"].endswith(f"test_xep_{row['number']}.py")

    assert not own or f"XEP-{row['number']}: {row['name']}, version {row['version']}" in text


def test_no_xep_is_listed_twice() -> None:
    numbers = [row["number"] for row in rows()]

    assert numbers == sorted(set(numbers))


def test_xep_of_every_conformance_test_is_in_the_table() -> None:
    files = (ROOT / "tests" / "conformance").glob("test_xep_*.py")

    assert {file.stem.split("_")[2] for file in files} <= {row["number"] for row in rows()}
