"""Overrides of options by environment variables, one for each option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_origin

from component.config.messages import unknown
from component.config.sections import NAMED_SECTIONS, SECTIONS

PREFIX = "MUNIMENT_"
#: Names the configuration file; `component.cli` reads it.
CONFIG_VARIABLE = "MUNIMENT_CONFIG"

#: The options that a variable overrides, by their full names.
OPTIONS = {
    f"{section}.{key}": field
    for section, model in SECTIONS.items()
    for key, field in model.model_fields.items()
}


def variable(option: str) -> str:
    """Return the variable that overrides an option."""
    return PREFIX + option.upper().replace(".", "__")


VARIABLES = {variable(option): option for option in OPTIONS}


def overrides(environ: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """Return the overrides by option, and a line for each unknown variable."""
    values: dict[str, object] = {}
    unknown_lines: list[str] = []
    for name, text in environ.items():
        if name in VARIABLES:
            option = VARIABLES[name]
            values[option] = _from_text(OPTIONS[option].annotation, text)
        elif name.startswith(PREFIX) and name != CONFIG_VARIABLE:
            unknown_lines.append(f"{name}: {_unknown(name)}")
    return values, unknown_lines


def _unknown(name: str) -> str:
    for section in NAMED_SECTIONS:
        if name.startswith(f"{variable(section)}__"):
            return f"{section} are set in the file only, as [{section}.NAME]"
    return unknown("variable", name, (*VARIABLES, CONFIG_VARIABLE))


def _from_text(annotation: object, text: str) -> object:
    """Convert the text of a variable to the type that TOML would give; return it if that fails.

    The section then refuses it with the same message as a wrong type in the file.
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
