"""From a TOML file and the environment to a checked configuration, or to the list of mistakes."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from component.config.cross_checks import disagreements, doubts
from component.config.environment import overrides, variable
from component.config.messages import ConfigError, Problem
from component.config.network import Http
from component.config.sections import NAMED_SECTIONS, Config
from component.config.tables import Table, strangers, tables
from component.config.types import FILE, LoadContext, Section, readable_by_all


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Return the configuration; raises ConfigError with every mistake found."""
    content = _parse(path) if path else {}
    overridden, strange_variables = overrides(environ)
    where = f"{path}: " if path else ""
    problems = [f"{where}{problem}" for problem in strangers(content)] + strange_variables

    given = list(tables(content, overridden))
    warnings = _literal_secrets(path, given)
    right, mistakes = _check(given, path.parent if path else Path(), warnings)
    mistakes += disagreements(given, right)
    problems += _told(mistakes, where, overridden)
    if problems:
        raise ConfigError(problems)
    return _config(given, right, [*warnings, *doubts(right)])


def load_http(path: Path | None, environ: Mapping[str, str]) -> Http:
    """Return where the running program is asked; raises ConfigError.

    All else may be wrong, missing or unreadable: whoever asks need not know the other secrets.
    """
    content = _parse(path) if path else {}
    overridden, _ = overrides(environ)
    where = f"{path}: " if path else ""
    given = [table for table in tables(content, overridden) if table.title == "http"]
    right, mistakes = _check(given, path.parent if path else Path(), [])
    if mistakes:
        raise ConfigError(_told(mistakes, where, overridden))
    http = right["http"]
    if not isinstance(http, Http) or not http.enabled:
        raise ConfigError([f"{where}http.enabled is false: the running program cannot be asked"])
    return http


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError:
        # The cause would carry the file, and with it its secrets.
        raise ConfigError([f"{path}: not a TOML file: not in UTF-8"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: not a TOML file: {error}"]) from None


def _told(mistakes: Iterable[Problem], where: str, overridden: Collection[str]) -> list[str]:
    """Put mistakes into lines that name the option, or the variable in its place."""
    lines = []
    for mistake in mistakes:
        is_overridden = mistake.option in overridden
        name = variable(mistake.option) if is_overridden else f"{where}{mistake.option}"
        lines.append(f"{name}{mistake.item}: {mistake.problem}")
    return lines


def _check(
    given: Sequence[Table], folder: Path, warnings: list[str]
) -> tuple[dict[str, Section], list[Problem]]:
    """Check each section by itself; return those that are right by their titles, and mistakes."""
    right: dict[str, Section] = {}
    mistakes: list[Problem] = []
    for table in given:
        reading = LoadContext(folder, frozenset(table.overrides), warnings)
        try:
            right[table.title] = table.model.model_validate(table.values, context=reading)
        except ValidationError as error:
            mistakes += table.mistakes(error)
    return right, mistakes


def _literal_secrets(path: Path | None, given: Sequence[Table]) -> list[str]:
    """Warn about secrets that stand in a file which everybody can read."""
    if path is None or not readable_by_all(path):
        return []
    return [
        f"{path} holds {table.title}.{key} and everybody can read it: chmod o= {path}"
        for table in given
        for key in ("secret", "api_password")
        if key in table.model.model_fields and _is_literal(table.file.get(key))
    ]


def _is_literal(secret: object) -> bool:
    return isinstance(secret, str) and not secret.startswith(FILE)


def _config(
    given: Sequence[Table], right: Mapping[str, Section], warnings: Sequence[str]
) -> Config:
    parts: dict[str, Any] = {section: {} for section in NAMED_SECTIONS}
    for table in given:
        if table.name is None:
            parts[table.section] = right[table.title]
        else:
            parts[table.section][table.name] = right[table.title]
    return Config(**parts, warnings=tuple(warnings))
