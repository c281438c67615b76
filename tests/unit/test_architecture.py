"""Folders and files in docs/architecture.md and CONTRIBUTING.md exist in the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ["docs/architecture.md", "CONTRIBUTING.md"]


def _subject(folder: Path) -> str:
    """Return the first paragraph of the docstring of a package as one line."""
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def test_each_folder_is_in_the_table_with_its_subject() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    listed = dict(re.findall(r"^\| `((?:component|storage)[\w/]*)` \| (.+) \|$", text, re.M))
    packages = {
        path.parent.relative_to(ROOT).as_posix(): _subject(path.parent)
        for root in ("component", "storage")
        for path in (ROOT / root).rglob("__init__.py")
        if path.parent.parent != ROOT
    }

    assert listed == packages


@pytest.mark.parametrize("name", DOCS)
def test_each_named_file_exists(name: str) -> None:
    named = re.findall(
        r"`((?:component|core|xmpp|web|storage|wiring)/[\w/]+\.py)`", (ROOT / name).read_text()
    )

    assert named
    places = (ROOT, ROOT / "component")
    assert [path for path in named if not any((place / path).exists() for place in places)] == []
