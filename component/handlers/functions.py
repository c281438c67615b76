"""The functions of the operator's module, and how they are called."""

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

#: What a call came to: what was returned, or what was raised.
Outcome = tuple[object, BaseException | None]


class Function:
    """One function: a plain one is called in a thread, an async one in the loop."""

    def __init__(self, name: str, call: Callable[..., object], threads: Executor) -> None:
        self.name = name
        self._call = call
        self._threads = threads
        self._is_async = _is_async(call)
        parameters = _parameters(call)
        self._takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
        self.parameters = {
            one.name
            for one in parameters
            if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        }

    def takes(self, parameter: str) -> bool:
        """Whether it can be given an argument of this name."""
        return self._takes_any or parameter in self.parameters

    async def __call__(self, host: str, *given: object, **named: object) -> object:
        """Call it about something of a virtual host. Raises Failed, whatever it raised."""
        if "host" in self.parameters:
            named["host"] = host
        if self._is_async:
            result, error = self._run(given, named)
        else:
            loop = asyncio.get_running_loop()
            result, error = await loop.run_in_executor(self._threads, self._run, given, named)
        if error is None and inspect.isawaitable(result):
            result, error = await _awaited(result)
        if error is not None:
            secret = given[-1] if self.name == "user_authentication" else None
            told = _told(error, secret)
            log.error("%s of the handlers module failed", self.name, exc_info=told)
            raise Failed from error
        return result

    def _run(self, given: tuple[object, ...], named: dict[str, object]) -> Outcome:
        # Nothing that is raised may get away: SystemExit would end the program, and StopIteration
        # in a thread leave its caller waiting.
        try:
            return self._call(*given, **named), None
        except BaseException as error:
            return None, error


class _Untold(Exception):
    """Stands in the log for what was raised with a password in its text."""


def _told(error: BaseException, secret: object) -> BaseException:
    """Return what may be logged of what was raised: where it was, if its text has the secret."""
    if not isinstance(secret, str):
        return error
    text = "".join(traceback.format_exception(error))
    texts = (text, unquote(text), unquote_plus(text))
    if not any(form in text for form in (secret, repr(secret)[1:-1]) for text in texts):
        return error
    where = f"{type(error).__name__}, with the password in its text"
    return _Untold(where).with_traceback(error.__traceback__)


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
        getattr(call, "__call__", None)  # noqa: B004 - what an object with it does when called
    )


def _parameters(call: Callable[..., object]) -> tuple[inspect.Parameter, ...]:
    try:
        return tuple(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        # It is written in C and does not tell.
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The functions that there are, None where the program does it itself."""

    module: str = ""
    user_authentication: Function | None = None
    user_exists: Function | None = None
    retrieve_user_roster: Function | None = None
    archive_store: Function | None = None
    archive_get: Function | None = None
    threads: ThreadPoolExecutor | None = field(default=None, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """What functions there are."""
        return tuple(name for name in NAMES if getattr(self, name) is not None)

    def close(self) -> None:
        """Call nothing that is not called yet."""
        if self.threads is not None:
            self.threads.shutdown(wait=False, cancel_futures=True)


def type_parameter(names: Container[str]) -> str:
    """Return by which name archive_get is given the type, of the parameters that it has."""
    # djabberd gives it by the one, and documents the other.
    return "type" if "type" in names and "chat_type" not in names else "chat_type"


#: What functions there may be.
NAMES = tuple(each.name for each in fields(Handlers) if each.name not in ("module", "threads"))
