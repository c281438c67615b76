"""Read a TOML file and the environment, and return a checked configuration or all mistakes."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from component.config.cross_checks import contradictions, cross_warnings
from component.config.environment import overrides, variable
from component.config.messages import ConfigError, Problem
from component.config.network import Http
from component.config.sections import NAMED_SECTIONS, Config
from component.config.tables import Table, tables, unknown_entries
from component.config.types import FILE, LoadContext, Section, readable_by_all


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Return the configuration. Raises ConfigError with all mistakes."""
    content = _parse(path) if path else {}
    overridden, unknown_variables = overrides(environ)
    where = f"{path}: " if path else ""
    problems = [f"{where}{problem}" for problem in unknown_entries(content)] + unknown_variables

    all_tables = list(tables(content, overridden))
    warnings = _literal_secrets(path, all_tables)
    valid, mistakes = _check(all_tables, path.parent if path else Path(), warnings)
    mistakes += contradictions(all_tables, valid)
    problems += _lines(mistakes, where, overridden)
    if problems:
        raise ConfigError(problems)
    return _config(all_tables, valid, [*warnings, *cross_warnings(valid)])


def load_http(path: Path | None, environ: Mapping[str, str]) -> Http:
    """Return the section [http] of the running program. Raises ConfigError.

    Other sections may be wrong, missing or unreadable: clients need no secret but http.secret.
    """
    content = _parse(path) if path else {}
    overridden, _ = overrides(environ)
    where = f"{path}: " if path else ""
    http_tables = [table for table in tables(content, overridden) if table.title == "http"]
    valid, mistakes = _check(http_tables, path.parent if path else Path(), [])
    if mistakes:
        raise ConfigError(_lines(mistakes, where, overridden))
    http = valid["http"]
    if not isinstance(http, Http) or not http.enabled:
        raise ConfigError([f"{where}http.enabled is false: the running program cannot be reached"])
    return http


def secret_place(path: Path | None, environ: Mapping[str, str], option: str) -> str:
    """Return where the value of a secret is, such as "the content of /etc/muniment/xmpp-secret".

    The configuration has to be valid. The secret itself is not returned.
    """
    section, _, key = option.partition(".")
    overridden, _ = overrides(environ)
    is_overridden = option in overridden
    value = overridden[option] if is_overridden else _parse(path)[section][key] if path else None
    if isinstance(value, str) and value.startswith(FILE):
        folder = Path() if is_overridden or path is None else path.parent
        return f"the content of {(folder / value.removeprefix(FILE)).absolute()}"
    return f"the value of {variable(option) if is_overridden else f'{option} in {path}'}"


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError:
        # The cause is hidden: it contains the content of the file, and so its secrets.
        raise ConfigError([f"{path}: not a TOML file: not in UTF-8"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: not a TOML file: {error}"]) from None


def _lines(problems: Iterable[Problem], where: str, overridden: Collection[str]) -> list[str]:
    """Return a line for each problem, with the name of the option or of its variable."""
    lines = []
    for problem in problems:
        is_overridden = problem.option in overridden
        name = variable(problem.option) if is_overridden else f"{where}{problem.option}"
        lines.append(f"{name}{problem.item}: {problem.problem}")
    return lines


def _check(
    tables: Sequence[Table], folder: Path, warnings: list[str]
) -> tuple[dict[str, Section], list[Problem]]:
    """Check each section alone; return the valid ones by title, and all problems."""
    valid: dict[str, Section] = {}
    mistakes: list[Problem] = []
    for table in tables:
        context = LoadContext(folder, frozenset(table.overrides), warnings)
        try:
            valid[table.title] = table.model.model_validate(table.values, context=context)
        except ValidationError as error:
            mistakes += table.problems(error)
    return valid, mistakes


def _literal_secrets(path: Path | None, tables: Sequence[Table]) -> list[str]:
    """Return a warning for each literal secret in a file that every user can read."""
    if path is None or not readable_by_all(path):
        return []
    return [
        f"{path} contains {table.title}.{key} and every user can read it: chmod o= {path}"
        for table in tables
        for key in ("secret", "api_password")
        if key in table.model.model_fields and _is_literal(table.file.get(key))
    ]


def _is_literal(secret: object) -> bool:
    return isinstance(secret, str) and not secret.startswith(FILE)


def _config(
    tables: Sequence[Table], valid: Mapping[str, Section], warnings: Sequence[str]
) -> Config:
    parts: dict[str, Any] = {section: {} for section in NAMED_SECTIONS}
    for table in tables:
        if table.name is None:
            parts[table.section] = valid[table.title]
        else:
            parts[table.section][table.name] = valid[table.title]
    return Config(**parts, warnings=tuple(warnings))
