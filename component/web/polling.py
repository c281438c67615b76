"""Long polls: requests that wait for an event, within the limits of the listener."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

from component.core.errors import Overloaded
from component.web import keys
from component.web.server.limits import on_disconnect

Result = TypeVar("Result")


async def poll(
    request: web.Request,
    caller: str,
    wait: Callable[[], Coroutine[Any, Any, Result]],
    *,
    seconds: float,
) -> Result:
    """Return the result of `wait`, which waits for up to some seconds.

    It ends when the caller disconnects. Raises Overloaded, and TooMany if the caller has too many
    polls that wait.
    """
    polls = request.config_dict[keys.poll_limit]
    with polls.slot(caller):
        task = polls.run(wait())
        on_disconnect(request, task.cancel)
        try:
            patience = seconds + request.app[keys.limits].request_timeout_seconds
            await asyncio.wait([task], timeout=patience)
            if not task.done() or task.cancelled():
                raise Overloaded("This poll was broken off: ask again.")
            return task.result()
        finally:
            task.cancel()
