"""What a file and the environment hold, section by section, before it is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from component.config.environment import OPTIONS
from component.config.messages import Problem, unknown
from component.config.sections import NAMED_SECTIONS, SECTIONS
from component.config.types import Section
from component.core.wording import kind
from component.validation import wrong

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The values of one section."""

    section: str
    model: type[Section]
    name: str | None = None  #: of a section that has one
    file: Mapping[str, Any]  #: what the file says
    overrides: Mapping[str, Any] = field(default_factory=dict)  #: what is said in its place

    @property
    def title(self) -> str:
        """What the section is called in the file, between its brackets."""
        return self.section if self.name is None else titled(self.section, self.name)

    @property
    def values(self) -> dict[str, Any]:
        """What is to be checked."""
        return {**self.file, **self.overrides}

    def mistakes(self, error: ValidationError) -> Iterator[Problem]:
        """Put what is wrong with the values in words."""
        right = self.model.model_fields
        for detail in error.errors(include_url=False):
            key = str(detail["loc"][0])
            option = f"{self.title}.{_quoted(key)}"
            if key in right:
                item = "".join(f"[{index}]" for index in detail["loc"][1:])
                yield Problem(option, wrong(detail, right[key]), item)
            elif self.name is None:
                yield Problem(option, unknown("key", option, OPTIONS))
            else:
                yield Problem(option, unknown("key", key, right))


def titled(section: str, name: str) -> str:
    """Return what a section with a name is called in the file."""
    return f"{section}.{_quoted(name)}"


def tables(content: Mapping[str, Any], overrides: Mapping[str, object]) -> Iterator[Table]:
    """Yield every section there is in the order of the program, and the named ones behind."""
    for section, model in SECTIONS.items():
        own = {
            option.partition(".")[2]: value
            for option, value in overrides.items()
            if option.startswith(f"{section}.")
        }
        yield Table(section=section, model=model, file=_table(content, section), overrides=own)
    for section, model in NAMED_SECTIONS.items():
        for name, table in _table(content, section).items():
            if isinstance(table, dict) and not _is_cut(section, table):
                yield Table(section=section, model=model, name=name, file=table)


def strangers(content: Mapping[str, Any]) -> Iterator[str]:
    """Name what stands in the file where only sections stand, and is none."""
    sections = (*SECTIONS, *NAMED_SECTIONS)
    for name, value in content.items():
        if name not in sections and isinstance(value, dict):
            yield f"{name}: {unknown('section', name, sections)}"
        elif name not in sections:
            yield f"{name}: {unknown('key', name, OPTIONS)} (keys stand below their [section])"
        elif not isinstance(value, dict):
            title = f"{name}.NAME" if name in NAMED_SECTIONS else name
            yield f"{name}: expected a section, [{title}], given {kind(value)}"
    for section in NAMED_SECTIONS:
        yield from _nameless(section, _table(content, section))


def _nameless(section: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Name what stands where only sections with a name stand, and is none."""
    for name, value in table.items():
        if not isinstance(value, dict):
            title = titled(section, name)
            yield f"{title}: unknown key (keys stand below their [{section}.NAME])"
        elif _is_cut(section, value):
            for whole in _whole(name, value):
                title = titled(section, whole)
                yield f"{section}.{whole}: write the name in quotes, [{title}]"


def _is_cut(section: str, table: Mapping[str, Any]) -> bool:
    """Whether TOML took the dots of a host's name for those between a section and its key."""
    return section == "hosts" and any(isinstance(value, dict) for value in table.values())


def _whole(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Put names that were cut together again."""
    parts = {key: value for key, value in table.items() if isinstance(value, dict)}
    if not parts:
        yield name
    for key, value in parts.items():
        yield from _whole(f"{name}.{key}", value)


def _table(content: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    table = content.get(section)
    return table if isinstance(table, dict) else {}


def _quoted(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name)
