"""The documents name the releases of ejabberd that are tested."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.releases import versions

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("name", ["README.md", "docs/operations.md"])
def test_each_tested_release_is_in_the_document(name: str, version: str) -> None:
    assert version in (ROOT / name).read_text()
