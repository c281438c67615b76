"""Functions of a test as those of an operator's module, and modules that leave no trace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from component.handlers.functions import Function, Handlers

MODULE = "shop.jabber"


def handlers(*functions: Callable[..., object], threads: int = 2) -> Handlers:
    """Return what a module of these functions does in our place."""
    executor = ThreadPoolExecutor(threads, thread_name_prefix="handler")
    named = {
        function.__name__: Function(function.__name__, function, executor)
        for function in functions
    }
    return Handlers(module=MODULE, threads=executor, **named)


@contextmanager
def importing() -> Iterator[None]:
    """Forget at the end what was imported, and where from."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]
