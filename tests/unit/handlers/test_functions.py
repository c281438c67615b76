"""Calls of the functions of the operator's module: threads, errors, logs and the end."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from support.handlers import handlers

from component.core.errors import Failed
from component.handlers.functions import Function, Handlers

HOST = "example.org"


def only(handlers: Handlers) -> Function:
    assert handlers.user_exists is not None
    return handlers.user_exists


def raising(error: BaseException) -> Callable[[str], object]:
    def user_exists(username: str) -> object:
        raise error

    return user_exists


async def test_plain_function_is_called_in_a_thread() -> None:
    def user_exists(username: str) -> object:
        return username, threading.current_thread()

    username, thread = await only(handlers(user_exists))(HOST, "ann")  # type: ignore[misc]

    assert username == "ann"
    assert thread is not threading.main_thread()


async def test_async_function_is_awaited_in_the_loop() -> None:
    async def user_exists(username: str) -> object:
        await asyncio.sleep(0)
        return username, asyncio.get_running_loop()

    assert await only(handlers(user_exists))(HOST, "ann") == ("ann", asyncio.get_running_loop())


async def test_callable_that_returns_a_coroutine_is_awaited() -> None:
    async def ask(shop: str, username: str) -> object:
        return shop, username

    def user_exists(username: str) -> object:
        return ask("shop", username)

    class AsyncCallable:
        __name__ = "user_exists"

        async def __call__(self, username: str) -> object:
            return await ask("shop", username)

    partial = functools.partial(ask, "shop")
    partial.__name__ = "user_exists"  # type: ignore[attr-defined]

    for function in (user_exists, AsyncCallable(), partial):
        assert await only(handlers(function))(HOST, "ann") == ("shop", "ann")


async def test_function_with_host_parameter_receives_the_host() -> None:
    def user_exists(username: str, host: str) -> object:
        return username, host

    assert await only(handlers(user_exists))(HOST, "ann") == ("ann", HOST)


async def test_function_with_kwargs_only_receives_no_host() -> None:
    def user_exists(username: str, **more: str) -> object:
        return more

    assert await only(handlers(user_exists))(HOST, "ann") == {}


async def test_plain_functions_run_concurrently_in_threads() -> None:
    barrier = threading.Barrier(2, timeout=10)

    def user_exists(username: str) -> object:
        return barrier.wait() >= 0

    ask = only(handlers(user_exists, threads=2))
    assert await asyncio.gather(ask(HOST, "ann"), ask(HOST, "bob")) == [True, True]


@pytest.mark.parametrize(
    "error",
    [
        KeyError("ann"),
        SystemExit(1),
        StopIteration(),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        TimeoutError(),
    ],
    ids=repr,
)
async def test_exception_of_a_plain_function_is_logged_and_fails(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Failed) as caught:
        await only(handlers(raising(error)))(HOST, "ann")

    assert caught.value.message == "An internal error occurred: the log has the details."
    (record,) = caplog.records
    assert (record.levelno, record.exc_info is not None) == (logging.ERROR, True)
    assert record.getMessage() == "user_exists of the handlers module failed"


@pytest.mark.parametrize(
    "text", ["{} is wrong", "{!r} is wrong", "https://x/?p={quoted}", "https://x/?p={plus}"]
)
async def test_exception_with_the_password_is_logged_without_its_text(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    def user_authentication(username: str, password: str) -> object:
        try:
            raise OSError(text.format(password, quoted=quote(password), plus=quote_plus(password)))
        except OSError as error:
            raise ValueError("broken") from error

    ask = handlers(user_authentication).user_authentication
    assert ask is not None
    with pytest.raises(Failed):
        await ask(HOST, "ann", "p\u00e4ss 1'\\")

    (record,) = caplog.records
    assert record.exc_info is not None
    written = logging.Formatter().formatException(record.exc_info)
    assert "ValueError, with the password in its text" in written
    assert "in user_authentication" in written
    assert not any(part in written for part in ("p\u00e4ss", "p%C3", "https", "wrong"))


async def test_exception_without_the_password_is_logged_in_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def user_authentication(username: str, password: str) -> object:
        raise ValueError("cannot reach db.internal")

    ask = handlers(user_authentication).user_authentication
    assert ask is not None
    with pytest.raises(Failed):
        await ask(HOST, "ann", "pencil")

    (record,) = caplog.records
    assert record.exc_info is not None
    assert "cannot reach db.internal" in str(record.exc_info[1])


@pytest.mark.parametrize(
    "error", [KeyError("ann"), SystemExit(1), asyncio.CancelledError(), TimeoutError()], ids=repr
)
async def test_exception_of_an_async_function_fails(error: BaseException) -> None:
    async def user_exists(username: str) -> object:
        raise error

    with pytest.raises(Failed):
        await only(handlers(user_exists))(HOST, "ann")


async def test_call_with_a_wrong_signature_fails() -> None:
    async def user_exists() -> object:
        return True

    with pytest.raises(Failed):
        await only(handlers(user_exists))(HOST, "ann")  # type: ignore[arg-type]


async def test_cancelled_call_cancels_the_async_function() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def user_exists(username: str) -> object:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return True

    task = asyncio.ensure_future(only(handlers(user_exists))(HOST, "ann"))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


async def test_queued_call_is_cancelled_at_the_end() -> None:
    loop, is_called, released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def user_exists(username: str) -> object:
        assert username == "ann"
        loop.call_soon_threadsafe(is_called.set)
        return released.wait(10)

    own = handlers(user_exists, threads=1)
    first = asyncio.ensure_future(only(own)(HOST, "ann"))
    second = asyncio.ensure_future(only(own)(HOST, "bob"))
    await is_called.wait()
    own.close()
    released.set()

    assert await first is True
    with pytest.raises(asyncio.CancelledError):
        await second


def test_no_module_has_no_functions() -> None:
    assert Handlers().names == ()
    Handlers().close()
