"""The configuration's mistakes, one a line: the option by its full name, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from component.core.wording import meant


class ConfigError(Exception):
    """The configuration is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Take every problem, one a line."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, and where it was made."""

    option: str  #: by its full name; a section where all of it is meant
    problem: str
    item: str = ""  #: which one of a list


def unknown(what: str, name: str, right: Iterable[str]) -> str:
    """Say that this key, section or variable does not exist, and which one may be meant."""
    return f"unknown {what}{meant(name, right)}"
