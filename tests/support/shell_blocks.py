"""The blocks of a document, which tests run or compare."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
OPERATOR_GUIDE = ROOT / "docs" / "operator-guide.md"
UNIT = ROOT / "packaging" / "muniment.service"


def shell_blocks(document: Path, heading: str) -> list[str]:
    """Return the shell blocks of a chapter, in its order, without the indent of lists."""
    return blocks(document, heading, "sh")


def blocks(document: Path, heading: str, language: str) -> list[str]:
    """Return the blocks of a chapter in a language, in its order, without the indent of lists."""
    chapter = document.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    pattern = rf"^( *)```{language}\n(.*?)^\1```$"
    found = re.findall(pattern, chapter, re.DOTALL | re.MULTILINE)
    assert found, f"{document.name} has no block in {language} below {heading}"
    return [dedent(text) for _, text in found]
