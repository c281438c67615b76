"""Forms for people (XEP-0004): built, and read when they are submitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from component.core.errors import BadRequest
from component.core.xml.characters import shown

NS = "jabber:x:data"

FORM = f"{{{NS}}}x"

#: The hidden field with the namespace of the other fields.
FORM_TYPE = "FORM_TYPE"

Values = Mapping[str, tuple[str, ...]]

#: A cell of a table: any number of values.
Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form."""

    name: str
    type: str  #: section 3.3: list-single, jid-multi, ...
    label: str
    values: tuple[str, ...] = ()  #: before anybody fills it in
    options: tuple[tuple[str, str], ...] = ()  #: the values to choose from, each with its label
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form to be filled in."""

    title: str
    instructions: str
    fields: Sequence[Field]
    form_type: str = ""  #: the namespace of its fields, "" if they have none


def form_xml(form: Form) -> str:
    """Return a form of type `form`."""
    fields = "".join(_field_xml(field) for field in form.fields)
    return (
        f"<x xmlns='{NS}' type='form'><title>{escape(form.title)}</title>"
        f"<instructions>{escape(form.instructions)}</instructions>"
        f"{_form_type_xml(form.form_type)}{fields}</x>"
    )


def result_xml(
    fields: Sequence[Field],
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[Cell]],
    *,
    form_type: str = "",
    inside: str = "",
) -> str:
    """Return a form of type `result`: fields, and a table below them (section 3.4).

    `columns` are names with their labels; without any there is no table. `inside` is XML of
    another namespace, added behind the fields.
    """
    head = _form_type_xml(form_type) + "".join(_field_xml(field) for field in fields) + inside
    names = [name for name, _ in columns]
    reported = "".join(
        f"<field var={quoteattr(name)} type='text-single' label={quoteattr(label)}/>"
        for name, label in columns
    )
    table = f"<reported>{reported}</reported>" if columns else ""
    items = "".join(f"<item>{_item_xml(names, row)}</item>" for row in rows)
    return f"<x xmlns='{NS}' type='result'>{head}{table}{items}</x>"


def submitted(parent: Element) -> Values:
    """Return the values of the form in an element, by field. Raises BadRequest."""
    form = parent.find(FORM)
    if form is None:
        raise BadRequest("the form is missing")
    return values_of(form)


def values_of(form: Element) -> Values:
    """Return the values of each field of a form, () for a field without any. Raises BadRequest."""
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
    required = "<required/>" if field.is_required else ""
    return (
        f"<field var={quoteattr(field.name)} type='{field.type}'"
        f" label={quoteattr(field.label)}>{required}{values}{options}</field>"
    )


def _item_xml(names: Sequence[str], row: Sequence[Cell]) -> str:
    return "".join(
        f"<field var={quoteattr(name)}>{''.join(map(_value_xml, cell))}</field>"
        for name, cell in zip(names, row, strict=True)
    )


def _form_type_xml(form_type: str) -> str:
    value = f"<field var='{FORM_TYPE}' type='hidden'>{_value_xml(form_type)}</field>"
    return value if form_type else ""


def _value_xml(value: str) -> str:
    return f"<value>{escape(shown(value))}</value>"
