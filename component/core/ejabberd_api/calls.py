"""A call of a command, after its arguments were checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from component.core.ejabberd_api.arguments import Value
from component.core.ejabberd_api.callers.permissions import Caller
from component.core.ejabberd_api.definitions import Definition, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What the query of a request asks for beside the call."""

    is_dry_run: bool = False  #: only say what would be done
    is_confirmed: bool = False  #: send_message waits until the message has arrived or was refused
    message_id: str | None = None  #: of send_message: a message with the id is sent once


NO_OPTIONS = CallOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a command."""

    caller: Caller
    definition: Definition
    signature: Signature
    arguments: Mapping[str, Value] = field(repr=False)
    version: int | None  #: None: the document's dialect
    options: CallOptions = NO_OPTIONS
    #: with which the caller authenticated; None: a token
    password: str | None = field(default=None, repr=False)

    def text(self, name: str) -> str:
        """Return an argument as text, "" if it is not given."""
        return str(self.arguments.get(name, ""))


#: Runs a call, and returns the bare result. Raises ApiRefusal, Refused.
Runner = Callable[[Call], Awaitable[Any]]

#: Returns where a call would run. Raises ApiRefusal, Refused if it would be refused there.
Forecaster = Callable[[Call], Awaitable[str]]
