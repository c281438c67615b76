"""Results of commands, as each dialect shows them."""

from __future__ import annotations

from typing import Any

from component.core.ejabberd_api.definitions import Result, ResultKind
from component.core.ejabberd_api.refusals import ApiRefusal

#: The result of a command that has done its work, of kind CODE.
DONE = 0

_SCALARS = (ResultKind.INTEGER, ResultKind.TEXT)


def unwrapped(result: Result, data: Any, version: int) -> Any:
    """Return the bare value of a body of ejabberd in an API version, with lists in order.

    Since 25.03 ejabberd sorts all lists; older releases return them in any order.
    """
    if version == 0 and result.kind in _SCALARS and isinstance(data, dict):
        return data.get(result.name)
    if result.kind is ResultKind.LIST and isinstance(data, list):
        return sorted(data)
    if result.kind is ResultKind.ROWS and isinstance(data, list):
        return sorted(data, key=lambda row: [row.get(name, "") for name in result.fields])
    return data


def versioned(result: Result, value: Any, version: int) -> Any:
    """Return the body of an API version of ejabberd: up to version 0 scalars have their name."""
    if version == 0 and result.kind in _SCALARS:
        return {result.name: value}
    return value


def documented(result: Result, value: Any) -> dict[str, Any]:
    """Return the body of the document's dialect. Raises ApiRefusal for a failure."""
    if result.is_acknowledgement:
        if result.kind is ResultKind.CODE and value != DONE:
            raise ApiRefusal(500, "ejabberd could not run the command.", reason="command_failed")
        value = "ok"
    return {"result": value}
