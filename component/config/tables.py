"""The tables of the file with their overrides from the environment, before they are checked."""

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
from component.core.wording import type_name
from component.validation import wrong

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The values of one section."""

    section: str
    model: type[Section]
    name: str | None = None  #: of a named section
    file: Mapping[str, Any]  #: the values in the file
    overrides: Mapping[str, Any] = field(default_factory=dict)  #: the values in the environment

    @property
    def title(self) -> str:
        """The name of the section as written between brackets in the file."""
        return self.section if self.name is None else titled(self.section, self.name)

    @property
    def values(self) -> dict[str, Any]:
        """The values to check."""
        return {**self.file, **self.overrides}

    def problems(self, error: ValidationError) -> Iterator[Problem]:
        """Yield a problem for each error of pydantic."""
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
    """Return the title of a named section in the file."""
    return f"{section}.{_quoted(name)}"


def tables(content: Mapping[str, Any], overrides: Mapping[str, object]) -> Iterator[Table]:
    """Yield the tables of all sections in the order of SECTIONS, then those of named sections."""
    for section, model in SECTIONS.items():
        own = {
            option.partition(".")[2]: value
            for option, value in overrides.items()
            if option.startswith(f"{section}.")
        }
        yield Table(section=section, model=model, file=_table(content, section), overrides=own)
    for section, model in NAMED_SECTIONS.items():
        for name, table in _table(content, section).items():
            if isinstance(table, dict) and not _is_split(section, table):
                yield Table(section=section, model=model, name=name, file=table)


def unknown_entries(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each top-level entry that is not a known section."""
    sections = (*SECTIONS, *NAMED_SECTIONS)
    for name, value in content.items():
        if name not in sections and isinstance(value, dict):
            yield f"{name}: {unknown('section', name, sections)}"
        elif name not in sections:
            yield f"{name}: {unknown('key', name, OPTIONS)} (keys belong below their [section])"
        elif not isinstance(value, dict):
            title = f"{name}.NAME" if name in NAMED_SECTIONS else name
            yield f"{name}: expected a section, [{title}], given {type_name(value)}"
    for section in NAMED_SECTIONS:
        yield from _nameless(section, _table(content, section))


def _nameless(section: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each entry of `section` that is not a named section."""
    for name, value in table.items():
        if not isinstance(value, dict):
            title = titled(section, name)
            yield f"{title}: unknown key (keys belong below their [{section}.NAME])"
        elif _is_split(section, value):
            for full_name in _full_names(name, value):
                title = titled(section, full_name)
                yield f"{section}.{full_name}: write the name in quotes, [{title}]"


def _is_split(section: str, table: Mapping[str, Any]) -> bool:
    """Return whether TOML split the name of a host at its dots, for lack of quotes."""
    return section == "hosts" and any(isinstance(value, dict) for value in table.values())


def _full_names(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the full names of hosts whose names TOML split."""
    parts = {key: value for key, value in table.items() if isinstance(value, dict)}
    if not parts:
        yield name
    for key, value in parts.items():
        yield from _full_names(f"{name}.{key}", value)


def _table(content: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    table = content.get(section)
    return table if isinstance(table, dict) else {}


def _quoted(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name)
