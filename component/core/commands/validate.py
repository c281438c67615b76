"""What was said to the fields of a command, checked before anything is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from component.core.commands.spec import (
    FALSE,
    TRUE,
    Arguments,
    Command,
    Field,
    Kind,
)
from component.core.errors import BadRequest
from component.core.wording import meant
from component.core.xml import jids
from component.core.xml.jids import Jids

#: More at once would take longer than anybody waits.
VALUES_MAX = 100

#: As forms have it (XEP-0004 section 3.3), and others.
_FLAGS = {TRUE: TRUE, "1": TRUE, FALSE: FALSE, "0": FALSE}

#: Longer than any address, and than any password that somebody types.
VALUE_LENGTH_MAX = 4096


def checked(
    command: Command, given: Mapping[str, Sequence[str]], prepare: Jids, hosts: Collection[str]
) -> Arguments:
    """Return the values of each field, prepared, defaults included. Raises BadRequest."""
    known = {field.name: field for field in command.fields}
    for name in given:
        if name not in known:
            raise BadRequest(f"{name[:40]}: there is no such field{meant(name, known)}")
    found = {}
    for name, field in known.items():
        # An empty line of a form is one that was left out.
        said = [value for value in given.get(name, ()) if value]
        found[name] = tuple(dict.fromkeys(_values(field, said, prepare, hosts)))
    return Arguments(found)


def _values(
    field: Field, said: Sequence[str], prepare: Jids, hosts: Collection[str]
) -> Sequence[str]:
    if not said:
        if field.is_required:
            raise BadRequest(f"{field.name}: required, but missing")
        return [field.default] if field.default else []
    most = VALUES_MAX if field.is_many else 1
    if len(said) > most:
        raise BadRequest(f"{field.name}: too many values, {most} at most")
    if any(len(value) > VALUE_LENGTH_MAX for value in said):
        raise BadRequest(f"{field.name}: too long, {VALUE_LENGTH_MAX} characters at most")
    try:
        return [_value(field, value, prepare, hosts) for value in said]
    except BadRequest as error:
        raise BadRequest(f"{field.name}: {error.message}") from error


def _value(field: Field, value: str, prepare: Jids, hosts: Collection[str]) -> str:
    match field.kind:
        case Kind.OWNER | Kind.ACCOUNT | Kind.HOST:
            return _address(field.kind, prepare.prepare(value), hosts)
        case Kind.NUMBER:
            if not (value.isascii() and value.isdigit() and 1 <= int(value) <= field.most):
                raise BadRequest(f"expected a whole number from 1 to {field.most}")
        case Kind.CHOICE:
            if value not in dict(field.choices):
                raise BadRequest(f"expected one of {', '.join(dict(field.choices))}")
        case Kind.FLAG:
            if value not in _FLAGS:
                raise BadRequest(f"expected {TRUE} or {FALSE}")
            return _FLAGS[value]
    return value


def _address(kind: Kind, jid: str, hosts: Collection[str]) -> str:
    if jids.resource(jid):
        raise BadRequest("expected a bare JID, without a resource")
    if bool(jids.local(jid)) is (kind is Kind.HOST):
        raise BadRequest("expected a host" if kind is Kind.HOST else "expected user@host")
    if kind is not Kind.OWNER and jids.domain(jid) not in hosts:
        raise BadRequest(f"{jids.domain(jid)} is no virtual host of this archive")
    return jid
