"""Check the arguments of a call in the order and with the texts of ejabberd (mod_http_api).

ejabberd takes the arguments in the order of the definition, and refuses the first one that is
given twice, missing, or of another type. Then it refuses arguments that it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from component.core.ejabberd_api.definitions import Argument, ArgumentType, Signature
from component.core.ejabberd_api.refusals import (
    ApiRefusal,
    bad_argument,
    duplicate_argument,
    internal_error,
)
from component.core.xml.characters import can_be_shown

#: The value of an argument that was checked.
Value = str | int | list[str]

#: Maximum number of digits of a number that is given as a text.
DIGITS_MAX = 18

#: Maximum depth to which an error quotes a nested value.
QUOTED_DEPTH = 50

#: Names of elements that every stream of XML may have.
_ELEMENT = re.compile("[A-Za-z_][A-Za-z0-9_-]*")

#: The names and values of a request, in its order; a query may repeat a name.
Given = Sequence[tuple[str, object]]


def check_arguments(
    signature: Signature, given: Given, *, as_in_ejabberd: bool = True
) -> dict[str, Value]:
    """Return the arguments by their present names. Raises ApiRefusal.

    With `as_in_ejabberd` optional arguments are required, and a text that is no number crashes the
    command (500). The document's dialect has neither.
    """
    remaining = list(given)
    for argument in signature.arguments:
        for former in argument.former_names:
            _rename(remaining, former, argument.name)
    values: dict[str, Value] = {}
    for argument in signature.arguments:
        matching = [value for name, value in remaining if name == argument.name]
        remaining = [item for item in remaining if item[0] != argument.name]
        if len(matching) > 1:
            raise duplicate_argument(argument.name)
        if matching:
            values[argument.name] = _formatted(argument, matching[0], as_in_ejabberd)
        elif argument.type is ArgumentType.LIST:
            values[argument.name] = []
        elif as_in_ejabberd or not argument.is_optional:
            raise bad_argument(
                f"Request have missing argument: {argument.name}", "missing_parameter"
            )
    if remaining:
        names = ",".join(_atom(name) for name, _ in remaining)
        raise bad_argument(f"Request have unknown arguments: [{names}]", "unknown_parameter")
    return values


def _rename(remaining: list[tuple[str, object]], former: str, present: str) -> None:
    """Give the present name to the first argument that has the former one."""
    for index, (name, value) in enumerate(remaining):
        if name == former:
            remaining[index] = present, value
            return


def _formatted(argument: Argument, value: object, as_in_ejabberd: bool) -> Value:
    """Return a value in the type of an argument. Raises ApiRefusal."""
    if argument.type is ArgumentType.INTEGER:
        return _integer(value, as_in_ejabberd)
    is_list = argument.type is ArgumentType.LIST
    elements = value if is_list and isinstance(value, list) else [value]
    texts = [_text(element, ArgumentType.TEXT) for element in elements]
    if not all(map(can_be_shown, texts)):
        # ejabberd passes them on, and every client and component that gets one loses its stream.
        raise bad_argument(f"{argument.name}: has a character that XML does not allow")
    if argument.is_element and not all(map(_ELEMENT.fullmatch, texts)):
        # ejabberd writes it as it is: it would end streams too, or add stanzas to them.
        raise bad_argument(f"{argument.name}: expected ASCII letters, digits and hyphens")
    return texts if is_list else texts[0]


def _text(value: object, type: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(_is_text_part(part) for part in value):
        # For Erlang a list of code points and texts is a text.
        return "".join(part if isinstance(part, str) else chr(part) for part in value)
    raise _wrong_type(value, type)


def _is_text_part(part: object) -> bool:
    if isinstance(part, int) and not isinstance(part, bool):
        return 0 <= part <= 0x10FFFF and not 0xD800 <= part <= 0xDFFF
    return isinstance(part, str)


def _integer(value: object, as_in_ejabberd: bool) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        sign, digits = (value[:1], value[1:]) if value[:1] in ("+", "-") else ("", value)
        is_number = digits.isascii() and digits.isdigit()
        if is_number and len(digits) <= DIGITS_MAX:
            return int(f"{sign}{digits}")
        if as_in_ejabberd and not is_number:
            raise internal_error()
    raise _wrong_type(value, ArgumentType.INTEGER)


def _wrong_type(value: object, type: str) -> ApiRefusal:
    return bad_argument(f"Arg {erlang_term(value)} is not in format {type}")


def erlang_term(value: object, depth: int = QUOTED_DEPTH) -> str:
    """Return a value of JSON as Erlang's `~w` writes it; `...` stands for what is deeper."""
    if depth == 0:
        return "..."
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return f"<<{','.join(map(str, value.encode()))}>>"
        case list():
            return f"[{','.join(erlang_term(element, depth - 1) for element in value)}]"
        case dict():
            pairs = (
                f"{erlang_term(key)} => {erlang_term(element, depth - 1)}"
                for key, element in value.items()
            )
            return f"#{{{','.join(pairs)}}}"
        case _:
            return str(value)


def _atom(name: str) -> str:
    """Return a name as Erlang's `~w` writes the atom."""
    is_plain = name[:1].islower() and name.replace("_", "").replace("@", "").isalnum()
    return name if is_plain and name.isascii() else f"'{name}'"
