"""The compose file, as an engine reads it: with its variables replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from support.command import ROOT

FOLDER = ROOT / "packaging" / "compose"

#: A variable, which has to be set, with the text of the error.
VARIABLE = re.compile(r"\$\{([A-Z_]+):\?[^}]*\}")


def compose(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the compose file with these values. Raises LookupError for a missing one."""
    text = VARIABLE.sub(lambda match: values[match[1]], (FOLDER / "compose.yml").read_text())
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def content(values: Mapping[str, str], name: str) -> str:
    """Return the content of a configuration file in the compose file."""
    text: str = compose(values)["configs"][name]["content"]
    return text
