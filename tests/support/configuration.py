"""Configurations of tests: the required options, and the result of loading a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from component.config import Config, ConfigError, load

REQUIRED = """
[xmpp]
jid = "muniment.example"
hosts = ["chat.example", "team.example"]
secret = "s3cret"
[http]
secret = "other"
"""


def write(folder: Path, text: str) -> Path:
    """Write a file that only its owner reads."""
    path = folder / "muniment.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def read(folder: Path, text: str = REQUIRED, environ: Mapping[str, str] | None = None) -> Config:
    """Load this text."""
    return load(write(folder, text), environ or {})


def problems(
    folder: Path, text: str = REQUIRED, environ: Mapping[str, str] | None = None
) -> list[str]:
    """Load this text, which is wrong, and return the lines without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text, environ)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return [line.removeprefix(f"{folder / 'muniment.toml'}: ") for line in caught.value.problems]
