"""The environment, which overrides the file: one variable an option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_origin

from component.config.messages import unknown
from component.config.sections import NAMED_SECTIONS, SECTIONS

PREFIX = "MUNIMENT_"
#: Names the file itself; the command reads it.
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
    """Return what the environment says by option, and a line for each variable that is none."""
    found: dict[str, object] = {}
    strange: list[str] = []
    for name, text in environ.items():
        if name in VARIABLES:
            option = VARIABLES[name]
            found[option] = _from_text(OPTIONS[option].annotation, text)
        elif name.startswith(PREFIX) and name != CONFIG_VARIABLE:
            strange.append(f"{name}: {_strange(name)}")
    return found, strange


def _strange(name: str) -> str:
    for section in NAMED_SECTIONS:
        if name.startswith(f"{variable(section)}__"):
            return f"{section} are set in the file only, as [{section}.NAME]"
    return unknown("variable", name, (*VARIABLES, CONFIG_VARIABLE))


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
