"""Client of ejabberd's HTTP API (mod_http_api), which has one request for each command."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import aiohttp
import orjson

from component.clients.muniment_http import Answer
from component.core.errors import Overloaded, ServerUnanswered, ServerUnreachable

log = logging.getLogger(__name__)

#: Seconds for a whole answer: ejabberd waits for our own answer meanwhile, at most 10 seconds.
TIMEOUT_SECONDS = 7.0

#: The statuses of a command that we may not run, and the code of an unknown command.
_REFUSED = (401, 403)
_NO_SUCH_COMMAND = 40

#: The status of ejabberd's HTTP server for a path that none of its handlers has.
_NOTHING_THERE = 404


class EjabberdApi(AbstractAsyncContextManager["EjabberdApi"]):
    """Runs commands of one ejabberd; use it with `async with`."""

    def __init__(self, url: str, user: str | None = None, password: str | None = None) -> None:
        """`user` is the bare JID of the account that authenticates the requests."""
        self.url = url
        self._credentials = f"with the password of {user}" if user else "without accounts.api_user"
        headers = {"Content-Type": "application/json"}
        if user is not None and password is not None:
            header = aiohttp.encode_basic_auth(user, password, encoding="utf-8")
            headers["Authorization"] = header
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            # ejabberd sets no cookies.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, command: str, **arguments: str) -> Answer:
        """Run a command. Raises Overloaded if ejabberd does not answer or refuses."""
        answer = await self.post(command, arguments)
        if answer.status in _REFUSED or _code(answer) == _NO_SUCH_COMMAND:
            self.log_refusal(command, answer)
            raise Overloaded("ejabberd refuses a command of its API: the log names it.")
        return answer

    async def post(self, path: str, arguments: Mapping[str, object]) -> Answer:
        """Return the answer to a command, a refusal too.

        Raises ServerUnreachable if ejabberd did not get the command, ServerUnanswered if it may
        have run it.
        """
        try:
            async with self._session.post(
                f"{self.url}/{path}",
                data=orjson.dumps(arguments),
                allow_redirects=False,
            ) as response:
                raw = await response.read()
        except aiohttp.ClientConnectorError as error:
            log.warning("ejabberd cannot be reached at %s: %s", self.url, type(error).__name__)
            raise ServerUnreachable from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("ejabberd does not answer at %s: %s", self.url, type(error).__name__)
            raise ServerUnanswered from error
        try:
            return Answer(status=response.status, data=orjson.loads(raw))
        except orjson.JSONDecodeError as error:
            log.error(
                "what answers at %s is not mod_http_api: status %s", self.url, response.status
            )
            if response.status == _NOTHING_THERE:
                raise ServerUnreachable from error
            raise ServerUnanswered from error

    def log_refusal(self, path: str, answer: Answer) -> None:
        """Log that ejabberd does not let us run a command."""
        log.error(
            "ejabberd at %s refuses the command %s, sent %s: %s",
            *(self.url, path, self._credentials, answer.message),
        )


def _code(answer: Answer) -> object:
    return answer.data.get("code") if isinstance(answer.data, dict) else None
