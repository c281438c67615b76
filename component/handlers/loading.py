"""Import the operator's module and check before the start that its functions can be called."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from component.handlers.functions import NAMES, Function, Handlers, type_parameter

#: The positional arguments of each function; all other arguments are passed by name.
CALLS = {
    "user_authentication": ("username", "password"),
    "user_exists": ("username",),
    "retrieve_user_roster": ("username",),
    "archive_store": ("payload",),
    "archive_get": ("username",),
}
READ_PARAMETERS = ("peer", "after", "before", "limit")


class HandlersError(Exception):
    """The module cannot be used."""

    def __init__(self, *problems: str) -> None:
        """`problems` has one sentence for each problem."""
        self.problems = problems
        super().__init__("; ".join(problems))


def load(module: str, *, folder: Path, threads: int, several_hosts: bool) -> Handlers:
    """Return the functions of a module, which may be installed or in `folder`.

    At most `threads` plain functions run at the same time. With `several_hosts` each function must
    take the host, because a local part may be a user of each host. Raises HandlersError.
    """
    imported = _imported(module, folder)
    calls = {name: getattr(imported, name) for name in NAMES if hasattr(imported, name)}
    if not calls:
        place = getattr(imported, "__file__", None) or "built into Python"
        raise HandlersError(f"{module} ({place}) has none of {', '.join(NAMES)}")
    problems = [
        f"{module}.{problem}"
        for name, call in calls.items()
        for problem in _problems(name, call, several_hosts=several_hosts)
    ]
    if problems:
        raise HandlersError(*problems)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="handler")
    functions = {name: Function(name, call, executor) for name, call in calls.items()}
    return Handlers(module=module, threads=executor, **functions)


def _imported(module: str, folder: Path) -> ModuleType:
    # The folder is last in the path, so that it hides no installed module.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and _is_of(error.name, module):
            raise HandlersError(
                f"there is no module {error.name}, neither installed nor in {folder}"
            ) from error
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        raise HandlersError(f"{module} cannot be imported: {reason}") from error


def _is_of(missing: str | None, module: str) -> bool:
    return missing is not None and f"{module}.".startswith(f"{missing}.")


def _problems(name: str, call: object, *, several_hosts: bool) -> Iterator[str]:
    if not callable(call):
        yield f"{name} is not a function"
        return
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        # Some functions written in C have no signature.
        return
    positional = CALLS[name]
    if several_hosts and "host" not in signature.parameters:
        call = f"{name}({', '.join((*positional, 'host'))})"
        yield f"{name} must take the virtual host, because there are several: {call}"
        return
    host_names = ("host",) if "host" in signature.parameters else ()
    keywords = [host_names]
    if name == "archive_get":
        keywords.append((*host_names, *READ_PARAMETERS, type_parameter(signature.parameters)))
    for names in keywords:
        try:
            signature.bind(*positional, **dict.fromkeys(names))
        except TypeError as error:
            arguments = ", ".join((*positional, *names))
            yield f"{name} cannot be called as {name}({arguments}): {error}"
            return
