"""External authentication of ejabberd: questions on standard input, answers on standard output.

A question is its length as two bytes, big-endian, followed by `auth:USER:HOST:PASSWORD`,
`isuser:USER:HOST`, `setpass:USER:HOST:PASSWORD`, `tryregister:USER:HOST:PASSWORD`,
`removeuser:USER:HOST` or `removeuser3:USER:HOST:PASSWORD`. An answer is the length 2 and a number
of two bytes: 1 for yes, 0 for no (ejabberd Developer Guide, External Authentication). ejabberd
starts several of these processes and asks each of them one question at a time. The answers come
from the accounts of the running program. ejabberd ends if too many processes end at once, so a
process ends only with its standard input, and answers no after an error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Self

from component.clients.muniment_http import Answer, Client, NotRunning
from component.config import ConfigError, Http
from component.wiring.running_program import client_settings

log = logging.getLogger(__name__)

OK = 0

NO, YES = 0, 1
#: The answer to a failed setpass. After the answer no, ejabberd (23.01 and later) tells the user
#: that the password was changed; after this number it says that it was not.
FAILED = 2

LENGTH_BYTES = 2

WITHOUT_PASSWORD = ("isuser", "removeuser")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question or a command of ejabberd."""

    command: str
    user: str  #: local part, prepared by ejabberd
    host: str
    password: str = field(repr=False)  #: "" if there is none

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Parse a question; its password may have colons. Raises ValueError if malformed."""
        command, user, host, *password = text.decode().split(":", 3)
        if bool(password) == (command in WITHOUT_PASSWORD):
            raise ValueError(f"the wrong number of parts for {command}")
        return cls(command=command, user=user, host=host, password="".join(password))

    @property
    def jid(self) -> str:
        """The bare JID of the account."""
        return f"{self.user}@{self.host}"


async def run(load_config: Callable[[], Http]) -> int:
    """Answer questions until standard input ends, and return an exit code.

    `load_config` is called at the start and after each error. It may raise ConfigError.
    """
    questions = await _standard_input()
    responder = Responder(load_config)
    try:
        while (text := await _next(questions)) is not None:
            number = await responder.answer(text)
            frame = LENGTH_BYTES.to_bytes(LENGTH_BYTES) + number.to_bytes(LENGTH_BYTES)
            os.write(sys.stdout.fileno(), frame)
    except BrokenPipeError:
        log.info("ejabberd closed the pipe for answers")
    finally:
        await responder.close()
    return OK


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    pipe: BinaryIO = sys.stdin.buffer
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader


async def _next(questions: asyncio.StreamReader) -> bytes | None:
    """Return the next question, or None at the end of the input."""
    try:
        length = int.from_bytes(await questions.readexactly(LENGTH_BYTES))
        return await questions.readexactly(length)
    except asyncio.IncompleteReadError:
        return None


class Responder:
    """Answers questions by asking the running program, and connects again after an error."""

    def __init__(self, load_config: Callable[[], Http]) -> None:
        self._load_config = load_config
        self._client: Client | None = None
        self._failure = ""

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client:
            await client.close()

    async def answer(self, text: bytes) -> int:
        """Return the answer to a question. Errors are logged, without passwords."""
        try:
            question = Question.parse(text)
            ask = COMMANDS[question.command]
        except (ValueError, KeyError):
            log.warning("ejabberd sent a malformed question")
            return NO
        failed = FAILED if question.command == "setpass" else NO
        try:
            is_yes = await ask(self._connected(), question)
        except ConfigError as error:
            await self._fail("; ".join(error.problems))
            return failed
        except NotRunning as error:
            await self._fail(str(error))
            return failed
        self._recover()
        return YES if is_yes else failed

    def _connected(self) -> Client:
        if self._client is None:
            self._client = Client(client_settings(self._load_config()))
        return self._client

    async def _fail(self, reason: str) -> None:
        """Log a reason once and close the connection; the next question opens another one."""
        if reason != self._failure:
            log.error("every answer is no until this is solved: %s", reason)
        self._failure = reason
        await self.close()

    def _recover(self) -> None:
        if self._failure:
            log.info("Muniment answers again")
        self._failure = ""


async def _authenticate(client: Client, question: Question) -> bool:
    query = {"username": question.user, "password": question.password}
    return _is_yes(question, await client.ask("GET", question.host, "auth", query=query))


async def _exists(client: Client, question: Question) -> bool:
    query = {"username": question.user}
    return _is_yes(question, await client.ask("GET", question.host, "user", query=query))


async def _set_password(client: Client, question: Question) -> bool:
    return await _put(client, question, "If-Match")


async def _register(client: Client, question: Question) -> bool:
    return await _put(client, question, "If-None-Match")


async def _put(client: Client, question: Question, condition: str) -> bool:
    answer = await client.ask(
        "PUT",
        *("v1", "accounts", question.jid),
        data={"password": question.password},
        headers={condition: "*"},
    )
    return _is_yes(question, answer)


async def _remove(client: Client, question: Question) -> bool:
    return _is_yes(question, await client.ask("DELETE", "v1", "accounts", question.jid))


async def _remove_own(client: Client, question: Question) -> bool:
    return await _authenticate(client, question) and await _remove(client, question)


def _is_yes(question: Question, answer: Answer) -> bool:
    """Return whether an answer is yes. Log a no with its reason, unless it answers isuser."""
    if not answer.is_good and (question.command, answer.status) != ("isuser", 401):
        level = logging.INFO if answer.status < 500 else logging.WARNING
        log.log(level, "%s of %s: %s", question.command, question.jid, answer.message)
    return answer.is_good


COMMANDS: dict[str, Callable[[Client, Question], Awaitable[bool]]] = {
    "auth": _authenticate,
    "isuser": _exists,
    "setpass": _set_password,
    "tryregister": _register,
    "removeuser": _remove,
    "removeuser3": _remove_own,
}
