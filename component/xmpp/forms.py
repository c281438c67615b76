"""Forms that people fill in (XEP-0004): written, and read when they come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from component.core.errors import BadRequest

NS = "jabber:x:data"

Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question of a form."""

    name: str
    type: str  #: section 3.3: list-single, jid-multi, ...
    label: str
    values: tuple[str, ...] = ()  #: what it says before anybody fills it in
    options: tuple[tuple[str, str], ...] = ()  #: values to choose from, each with its label


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Questions to somebody."""

    title: str
    instructions: str
    fields: Sequence[Field]


def form_xml(form: Form) -> str:
    """Return a form to be filled in."""
    fields = "".join(_field_xml(field) for field in form.fields)
    return (
        f"<x xmlns='{NS}' type='form'><title>{escape(form.title)}</title>"
        f"<instructions>{escape(form.instructions)}</instructions>{fields}</x>"
    )


def submitted(around: Element) -> Values:
    """Return the values of the form in an element, by field. Raises BadRequest."""
    form = around.find(f"{{{NS}}}x")
    if form is None:
        raise BadRequest("the form is missing")
    values: dict[str, tuple[str, ...]] = {}
    for field in form.iterfind(f"{{{NS}}}field"):
        name = field.get("var", "")
        if name in values:
            raise BadRequest(f"{name[:40]!r} is there twice")
        values[name] = tuple(value.text or "" for value in field.iterfind(f"{{{NS}}}value"))
    return values


def _field_xml(field: Field) -> str:
    values = "".join(map(_value_xml, field.values))
    options = "".join(
        f"<option label={quoteattr(label)}>{_value_xml(value)}</option>"
        for value, label in field.options
    )
    return (
        f"<field var={quoteattr(field.name)} type='{field.type}'"
        f" label={quoteattr(field.label)}>{values}{options}</field>"
    )


def _value_xml(value: str) -> str:
    return f"<value>{escape(value)}</value>"
