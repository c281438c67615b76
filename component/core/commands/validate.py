"""Validation of the fields of a command, before it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from component.core.commands.spec import (
    FALSE,
    TRUE,
    Arguments,
    Command,
    Field,
    FieldKind,
)
from component.core.errors import BadRequest
from component.core.wording import did_you_mean
from component.core.xml import jids
from component.core.xml.jids import Jids

#: The maximum number of values of a field: more would take longer than a caller waits.
VALUES_MAX = 100

#: Lexical forms of xs:boolean, as in XEP-0004 section 3.3.
_FLAGS = {TRUE: TRUE, "1": TRUE, FALSE: FALSE, "0": FALSE}

#: The maximum length of a value, in characters: no JID and no typed password is longer.
VALUE_LENGTH_MAX = 4096


def validate(
    command: Command, submitted: Mapping[str, Sequence[str]], prepare: Jids, hosts: Collection[str]
) -> Arguments:
    """Return the values of all fields, prepared, with defaults. Raises BadRequest."""
    fields = {field.name: field for field in command.fields}
    for name in submitted:
        if name not in fields:
            raise BadRequest(f"{name[:40]}: there is no such field{did_you_mean(name, fields)}")
    values = {}
    for name, field in fields.items():
        # Clients submit omitted fields as empty values.
        texts = [value for value in submitted.get(name, ()) if value]
        values[name] = tuple(dict.fromkeys(_values(field, texts, prepare, hosts)))
    return Arguments(values)


def _values(
    field: Field, texts: Sequence[str], prepare: Jids, hosts: Collection[str]
) -> Sequence[str]:
    if not texts:
        if field.is_required:
            raise BadRequest(f"{field.name}: required, but missing")
        return [field.default] if field.default else []
    maximum = VALUES_MAX if field.is_multiple else 1
    if len(texts) > maximum:
        raise BadRequest(f"{field.name}: too many values, {maximum} at most")
    if any(len(value) > VALUE_LENGTH_MAX for value in texts):
        raise BadRequest(f"{field.name}: too long, {VALUE_LENGTH_MAX} characters at most")
    try:
        return [_value(field, value, prepare, hosts) for value in texts]
    except BadRequest as error:
        raise BadRequest(f"{field.name}: {error.message}") from error


def _value(field: Field, value: str, prepare: Jids, hosts: Collection[str]) -> str:
    match field.kind:
        case FieldKind.OWNER | FieldKind.ACCOUNT | FieldKind.HOST:
            return _address(field.kind, prepare.prepare(value), hosts)
        case FieldKind.NUMBER:
            if not (value.isascii() and value.isdigit() and 1 <= int(value) <= field.maximum):
                raise BadRequest(f"expected a whole number from 1 to {field.maximum}")
        case FieldKind.CHOICE:
            if value not in dict(field.choices):
                raise BadRequest(f"expected one of {', '.join(dict(field.choices))}")
        case FieldKind.FLAG:
            if value not in _FLAGS:
                raise BadRequest(f"expected {TRUE} or {FALSE}")
            return _FLAGS[value]
    return value


def _address(kind: FieldKind, jid: str, hosts: Collection[str]) -> str:
    if jids.resource(jid):
        raise BadRequest("expected a bare JID, without a resource")
    if bool(jids.local(jid)) is (kind is FieldKind.HOST):
        raise BadRequest("expected a host" if kind is FieldKind.HOST else "expected user@host")
    if kind is not FieldKind.OWNER and jids.domain(jid) not in hosts:
        raise BadRequest(f"{jids.domain(jid)} is not a virtual host of this archive")
    return jid
