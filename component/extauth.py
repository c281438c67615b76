"""ejabberd's external authentication: its questions on standard input, answers on standard output.

A question is its length in two bytes, the higher one first, and `auth:USER:HOST:PASSWORD`,
`isuser:USER:HOST`, `setpass:USER:HOST:PASSWORD`, `tryregister:USER:HOST:PASSWORD`,
`removeuser:USER:HOST` or `removeuser3:USER:HOST:PASSWORD`. An answer is the length 2 and a number
of two bytes: 1 for yes, 0 for no (ejabberd Developer Guide, External Authentication). ejabberd
starts several of these processes, each is asked one question at a time, and its accounts are those
of the running program. Too many ends at once would end ejabberd as well: whatever is wrong, the
answers are no until it is right, and the process ends with its standard input.
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
from component.wiring import settings

log = logging.getLogger(__name__)

OK = 0

NO, YES = 0, 1
#: Neither. ejabberd (23.01 and those after it) tells users that their password is changed when the
#: answer to setpass is no, and that it is not when the answer is none of the two.
FAILED = 2

LENGTH_BYTES = 2

WITHOUT_PASSWORD = ("isuser", "removeuser")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What ejabberd wants to know, or to have done."""

    command: str
    user: str  #: local part, prepared by ejabberd
    host: str
    password: str = field(repr=False)  #: "" where there is none

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Take a question apart; a password may have colons. Raises ValueError."""
        command, user, host, *password = text.decode().split(":", 3)
        if bool(password) == (command in WITHOUT_PASSWORD):
            raise ValueError(f"the wrong number of parts for {command}")
        return cls(command=command, user=user, host=host, password="".join(password))

    @property
    def jid(self) -> str:
        """Whom it is about."""
        return f"{self.user}@{self.host}"


async def run(configured: Callable[[], Http]) -> int:
    """Answer until standard input ends, and return an exit code.

    `configured` is read again whenever the program did not answer. It may raise ConfigError.
    """
    questions = await _questions()
    asking = Asking(configured)
    try:
        while (text := await _next(questions)) is not None:
            number = await asking.answer(text)
            frame = LENGTH_BYTES.to_bytes(LENGTH_BYTES) + number.to_bytes(LENGTH_BYTES)
            os.write(sys.stdout.fileno(), frame)
    except BrokenPipeError:
        log.info("ejabberd takes no more answers")
    finally:
        await asking.close()
    return OK


async def _questions() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    pipe: BinaryIO = sys.stdin.buffer
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader


async def _next(questions: asyncio.StreamReader) -> bytes | None:
    """Return the next question, None where no other comes."""
    try:
        length = int.from_bytes(await questions.readexactly(LENGTH_BYTES))
        return await questions.readexactly(length)
    except asyncio.IncompleteReadError:
        return None


class Asking:
    """Answers questions by asking the running program, and finds it again when it was away."""

    def __init__(self, configured: Callable[[], Http]) -> None:
        self._configured = configured
        self._client: Client | None = None
        self._trouble = ""

    async def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client:
            await client.close()

    async def answer(self, text: bytes) -> int:
        """Return the answer to a question. Whatever is wrong is logged, never a password."""
        try:
            question = Question.read(text)
            ask = COMMANDS[question.command]
        except (ValueError, KeyError):
            log.warning("ejabberd asks something that is not known here")
            return NO
        failed = FAILED if question.command == "setpass" else NO
        try:
            is_so = await ask(self._connected(), question)
        except ConfigError as error:
            await self._troubled("; ".join(error.problems))
            return failed
        except NotRunning as error:
            await self._troubled(str(error))
            return failed
        self._well()
        return YES if is_so else failed

    def _connected(self) -> Client:
        if self._client is None:
            self._client = Client(settings.client(self._configured()))
        return self._client

    async def _troubled(self, trouble: str) -> None:
        """Say it once, and begin anew with the next question."""
        if trouble != self._trouble:
            log.error("every answer is no, until this is right again: %s", trouble)
        self._trouble = trouble
        await self.close()

    def _well(self) -> None:
        if self._trouble:
            log.info("Muniment answers again")
        self._trouble = ""


async def _authenticates(client: Client, question: Question) -> bool:
    query = {"username": question.user, "password": question.password}
    return _is_so(question, await client.ask("GET", question.host, "auth", query=query))


async def _exists(client: Client, question: Question) -> bool:
    query = {"username": question.user}
    return _is_so(question, await client.ask("GET", question.host, "user", query=query))


async def _sets_password(client: Client, question: Question) -> bool:
    return await _puts(client, question, "If-Match")


async def _registers(client: Client, question: Question) -> bool:
    return await _puts(client, question, "If-None-Match")


async def _puts(client: Client, question: Question, condition: str) -> bool:
    answer = await client.ask(
        "PUT",
        *("v1", "accounts", question.jid),
        data={"password": question.password},
        headers={condition: "*"},
    )
    return _is_so(question, answer)


async def _removes(client: Client, question: Question) -> bool:
    return _is_so(question, await client.ask("DELETE", "v1", "accounts", question.jid))


async def _removes_own(client: Client, question: Question) -> bool:
    return await _authenticates(client, question) and await _removes(client, question)


def _is_so(question: Question, answer: Answer) -> bool:
    """Whether it is a yes; a no is logged with its reason, but not who all is no user."""
    if not answer.is_good and (question.command, answer.status) != ("isuser", 401):
        level = logging.INFO if answer.status < 500 else logging.WARNING
        log.log(level, "%s of %s: %s", question.command, question.jid, answer.message)
    return answer.is_good


COMMANDS: dict[str, Callable[[Client, Question], Awaitable[bool]]] = {
    "auth": _authenticates,
    "isuser": _exists,
    "setpass": _sets_password,
    "tryregister": _registers,
    "removeuser": _removes,
    "removeuser3": _removes_own,
}
