"""Problems of the configuration, and the error that lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from component.core.wording import did_you_mean


class ConfigError(Exception):
    """The configuration is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        """`problems` are lines, each with the full name of an option or variable."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in one option or section."""

    option: str  #: its full name, or the title of a section
    problem: str
    item: str = ""  #: the index in a list, such as [1]


def unknown(noun: str, name: str, valid: Iterable[str]) -> str:
    """Return "unknown" with the noun, and the most similar valid name if there is one."""
    return f"unknown {noun}{did_you_mean(name, valid)}"
