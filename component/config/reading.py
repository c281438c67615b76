"""From a TOML file and the environment to a checked configuration, or to the list of mistakes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError

from component.config.problems import ConfigError, kind, unknown, wrong
from component.config.sections import SECTIONS, Config, Section
from component.config.values import FILE, Reading, readable_by_all

PREFIX = "MUNIMENT_"
#: Names the file itself; the command reads it.
CONFIG_VARIABLE = "MUNIMENT_CONFIG"

#: The options by their full names, and the variables that override them.
OPTIONS = {
    f"{section}.{key}": field
    for section, model in SECTIONS.items()
    for key, field in model.model_fields.items()
}
VARIABLES = {PREFIX + name.upper().replace(".", "__"): name for name in OPTIONS}


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Return the configuration; raises ConfigError with every mistake found."""
    where = f"{path}: " if path else ""
    tables = _parse(path) if path else {}
    problems = [f"{where}{problem}" for problem in _strangers(tables)]
    overrides, strange_variables = _overrides(environ)
    problems += strange_variables
    folder = path.parent if path else Path()

    sections: dict[str, Any] = {}
    warnings = _literal_secrets(path, tables)
    for name, model in SECTIONS.items():
        own = {option: text for option, text in overrides.items() if option.startswith(f"{name}.")}
        values = _values(tables.get(name), own)
        reading = Reading(folder, frozenset(option.split(".")[1] for option in own), warnings)
        try:
            sections[name] = model.model_validate(values, context=reading)
        except ValidationError as error:
            problems += _worded(name, model, error, where, own)
    if problems:
        raise ConfigError(problems)
    return Config(**sections, warnings=tuple(warnings))


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


def _strangers(tables: Mapping[str, Any]) -> Iterator[str]:
    """Name what stands at the top of the file and is no section."""
    for name, value in tables.items():
        if name not in SECTIONS and isinstance(value, dict):
            yield f"{name}: {unknown('section', name, SECTIONS)}"
        elif name not in SECTIONS:
            yield f"{name}: {unknown('key', name, OPTIONS)} (keys stand below their [section])"
        elif not isinstance(value, dict):
            yield f"{name}: expected a section, [{name}], given {kind(value)}"


def _overrides(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return what the environment says by option, and a line for each variable that is none."""
    found: dict[str, str] = {}
    strange: list[str] = []
    for variable, text in environ.items():
        if variable in VARIABLES:
            found[VARIABLES[variable]] = text
        elif variable.startswith(PREFIX) and variable != CONFIG_VARIABLE:
            right = (*VARIABLES, CONFIG_VARIABLE)
            strange.append(f"{variable}: {unknown('variable', variable, right)}")
    return found, strange


def _values(table: object, overrides: Mapping[str, str]) -> dict[str, Any]:
    """Lay the environment over one table of the file."""
    values = dict(table) if isinstance(table, dict) else {}
    for option, text in overrides.items():
        values[option.split(".")[1]] = _from_text(OPTIONS[option].annotation, text)
    return values


def _from_text(annotation: object, text: str) -> object:
    """Turn a variable's text into what TOML would have held; what does not fit is left as it is.

    The check of the section then refuses it in the same words as in the file.
    """
    if get_origin(annotation) is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    if annotation is bool:
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    if annotation is int or annotation is float:
        try:
            return annotation(text)
        except ValueError:
            return text
    return text


def _worded(
    name: str,
    model: type[Section],
    error: ValidationError,
    where: str,
    overrides: Mapping[str, str],
) -> Iterator[str]:
    """Put each of a section's mistakes in words, by the name under which it was made."""
    for mistake in error.errors(include_url=False):
        key = str(mistake["loc"][0])
        option = f"{name}.{key}"
        if key not in model.model_fields:
            yield f"{where}{option}: {unknown('key', option, OPTIONS)}"
            continue
        item = "".join(f"[{index}]" for index in mistake["loc"][1:])
        variable = f"{PREFIX}{name}__{key}".upper()
        label = variable if option in overrides else f"{where}{option}"
        yield f"{label}{item}: {wrong(mistake, model.model_fields[key])}"


def _literal_secrets(path: Path | None, tables: Mapping[str, Any]) -> list[str]:
    """Warn about secrets that stand in a file which everybody can read."""
    if path is None or not readable_by_all(path):
        return []
    return [
        f"{path} holds {option} and everybody can read it: chmod o= {path}"
        for option in OPTIONS
        if option.endswith(".secret") and _is_literal(tables, option)
    ]


def _is_literal(tables: Mapping[str, Any], option: str) -> bool:
    section, key = option.split(".")
    table = tables.get(section)
    value = table.get(key) if isinstance(table, dict) else None
    return isinstance(value, str) and not value.startswith(FILE)
