"""Colours on a terminal: not if the output is piped, nor if NO_COLOR is set (no-color.org)."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TextIO


class Colour(StrEnum):
    """A colour, as a parameter of SGR (ECMA-48)."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    FAINT = "2"


def painted(text: str, colour: Colour, file: TextIO | None = None) -> str:
    """Return a text in a colour if the file, by default standard output, is a terminal."""
    return f"\x1b[{colour}m{text}\x1b[0m" if _is_coloured(file or sys.stdout) else text


def _is_coloured(file: TextIO) -> bool:
    environ = os.environ
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and file.isatty()
