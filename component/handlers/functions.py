"""The functions of the operator's module, and the threads that run them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Container
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from urllib.parse import unquote, unquote_plus

from component.core.errors import Failed

log = logging.getLogger(__name__)

#: The result of a call, or the exception that it raised.
Outcome = tuple[object, BaseException | None]


class Function:
    """A function of the module. A plain one runs in a thread, an async one in the event loop."""

    def __init__(self, name: str, call: Callable[..., object], threads: Executor) -> None:
        self.name = name
        self._call = call
        self._threads = threads
        self._is_async = _is_async(call)
        parameters = _parameters(call)
        self._takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        self.parameters = {
            parameter.name
            for parameter in parameters
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }

    def takes(self, parameter: str) -> bool:
        """Return whether the function accepts a keyword argument of this name."""
        return self._takes_any or parameter in self.parameters

    async def __call__(self, host: str, *arguments: object, **keywords: object) -> object:
        """Call the function for a virtual host. Raises Failed if it raises any exception."""
        if "host" in self.parameters:
            keywords["host"] = host
        if self._is_async:
            result, error = self._run(arguments, keywords)
        else:
            loop = asyncio.get_running_loop()
            result, error = await loop.run_in_executor(
                self._threads, self._run, arguments, keywords
            )
        if error is None and inspect.isawaitable(result):
            result, error = await _awaited(result)
        if error is not None:
            secret = arguments[-1] if self.name == "user_authentication" else None
            loggable = _loggable(error, secret)
            log.error("%s of the handlers module failed", self.name, exc_info=loggable)
            raise Failed from error
        return result

    def _run(self, arguments: tuple[object, ...], keywords: dict[str, object]) -> Outcome:
        # Every exception is caught: SystemExit would end the program, and after StopIteration in a
        # thread the caller would wait for ever.
        try:
            return self._call(*arguments, **keywords), None
        except BaseException as error:
            return None, error


class _Redacted(Exception):
    """Replaces an exception in the log if its text has a password."""


def _loggable(error: BaseException, secret: object) -> BaseException:
    """Return the exception, or a redacted one with its traceback if its text has the secret."""
    if not isinstance(secret, str):
        return error
    text = "".join(traceback.format_exception(error))
    texts = (text, unquote(text), unquote_plus(text))
    if not any(form in text for form in (secret, repr(secret)[1:-1]) for text in texts):
        return error
    where = f"{type(error).__name__}, with the password in its text"
    return _Redacted(where).with_traceback(error.__traceback__)


async def _awaited(result: Awaitable[object]) -> Outcome:
    try:
        return await result, None
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return None, error
    except (Exception, SystemExit) as error:
        return None, error


def _is_async(call: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(call, "__call__", None)  # noqa: B004 - the __call__ of an object may be async
    )


def _parameters(call: Callable[..., object]) -> tuple[inspect.Parameter, ...]:
    try:
        return tuple(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        # Some functions written in C have no signature.
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The functions of the module; None where the module lacks one."""

    module: str = ""
    user_authentication: Function | None = None
    user_exists: Function | None = None
    retrieve_user_roster: Function | None = None
    archive_store: Function | None = None
    archive_get: Function | None = None
    threads: ThreadPoolExecutor | None = field(default=None, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions that the module has."""
        return tuple(name for name in NAMES if getattr(self, name) is not None)

    def close(self) -> None:
        """Cancel the calls that have not started."""
        if self.threads is not None:
            self.threads.shutdown(wait=False, cancel_futures=True)


def type_parameter(names: Container[str]) -> str:
    """Return the name under which archive_get takes the type of chat."""
    # djabberd passes one name and documents the other.
    return "type" if "type" in names and "chat_type" not in names else "chat_type"


#: The names of all functions that a module may have.
NAMES = tuple(item.name for item in fields(Handlers) if item.name not in ("module", "threads"))
