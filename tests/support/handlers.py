"""Functions of a test in the place of an operator's module, and temporary imports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from component.handlers.functions import Function, Handlers

MODULE = "shop.jabber"


def handlers(*functions: Callable[..., object], threads: int = 2) -> Handlers:
    """Return the handlers of a module with these functions."""
    executor = ThreadPoolExecutor(threads, thread_name_prefix="handler")
    named = {
        function.__name__: Function(function.__name__, function, executor)
        for function in functions
    }
    return Handlers(module=MODULE, threads=executor, **named)


@contextmanager
def importing() -> Iterator[None]:
    """Restore the imported modules and the import path after the block."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]
