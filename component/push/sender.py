"""Sends events over HTTP: to vetted addresses alone, without redirects, within a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING

import aiohttp

from component import __version__
from component.clients.vetted_addresses import AddressRefused, VettedAddresses, vetted_connector
from component.core.push import signature
from component.core.push.values import Outcome
from storage.rows import PushKind, PushSubscription

if TYPE_CHECKING:
    # pywebpush takes long to import, and a start without Web Push need not wait for it.
    from component.push.web_push import WebPush

log = logging.getLogger(__name__)

#: Statuses by which a push service says that a subscription has ended (RFC 8030 section 7.3).
GONE = frozenset({404, 410})

#: Longer headers of a response are an error.
HEADER_MAX_BYTES = 8190

USER_AGENT = f"Muniment/{__version__}"


class HttpSender:
    """Sends events to webhooks and push services; implements `core.push.values.Sender`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        web_push: WebPush | None,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        """`web_push` is None where there is no Web Push. `clock` returns seconds."""
        self._http = http
        self._web_push = web_push
        self._clock = clock

    async def send(self, subscription: PushSubscription, id: str, body: bytes) -> Outcome:
        """Send one event; `id` is the same at each attempt."""
        at = int(self._clock())
        is_web_push = subscription.kind is PushKind.WEB_PUSH
        if not is_web_push:
            headers = {
                "Content-Type": "application/json",
                **signature.headers(subscription.secret, id, body, at),
            }
        elif self._web_push is None:
            return Outcome(failure="no Web Push here")
        else:
            headers, body = self._web_push.request(subscription, body, at)
        try:
            async with self._http.post(
                subscription.endpoint, data=body, headers=headers, allow_redirects=False
            ) as response:
                status, answered = response.status, response.headers
        except TimeoutError:
            return Outcome(failure="timeout")
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            return Outcome(failure=_reason(error))
        if 200 <= status < 300:
            return Outcome()
        return Outcome(
            failure=f"status {status}",
            is_gone=is_web_push and status in GONE,
            retry_after=_retry_after(answered, self._clock()),
        )


@asynccontextmanager
async def open_sender(
    addresses: VettedAddresses,
    web_push: WebPush | None,
    *,
    timeout_seconds: float,
    parallel: int,
) -> AsyncIterator[HttpSender]:
    """Open a sender with connections of its own, `parallel` at once.

    A request takes `timeout_seconds` at most, with its connection.
    """
    async with aiohttp.ClientSession(
        connector=vetted_connector(addresses, limit=parallel),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        max_line_size=HEADER_MAX_BYTES,
        max_field_size=HEADER_MAX_BYTES,
    ) as http:
        yield HttpSender(http, web_push)


def _reason(error: BaseException) -> str:
    """Return why a request failed, without the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return "address refused"
        cause = cause.__cause__
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "TLS"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "no connection"
    return "connection lost"


def _retry_after(headers: Mapping[str, str], time: float) -> float:
    """Return the seconds that a receiver asks to wait (RFC 9110 section 10.2.3), or 0."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time)
    except (ValueError, OverflowError):
        return 0.0
