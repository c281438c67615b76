"""`muniment extauth` answers the questions of ejabberd from the accounts of the program."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.ejabberd import ROOT
from support.http_services import HOST, OTHER_HOST, SECRET, SETTINGS, open_services
from support.ports import LOOPBACK, free_port

from component.web.app import serve
from component.web.server.settings import WebSettings

NO, YES, FAILED = 0, 1, 2

#: A password with characters that have a meaning in queries and between colons.
PASSWORD = "a:b::c%41+&=#? pencil ü€😀"


@pytest.fixture
def settings() -> WebSettings:
    return replace(SETTINGS, port=free_port())


@pytest.fixture
def config(tmp_path: Path, settings: WebSettings) -> Path:
    """Write the options that reach the program, and a wrong value of another section."""
    path = tmp_path / "muniment.toml"
    path.touch(mode=0o600)
    path.write_text(f'[http]\nport = {settings.port}\nsecret = "{SECRET}"\n[xmpp]\nport = "?"\n')
    return path


@pytest.fixture
async def served(settings: WebSettings) -> AsyncIterator[None]:
    async with open_services() as services, serve(settings, services):
        yield


async def ask(process: Process, question: str | bytes) -> int:
    """Send one question as ejabberd does, and return the answer."""
    text = question.encode() if isinstance(question, str) else question
    assert process.stdin
    assert process.stdout
    process.stdin.write(len(text).to_bytes(2) + text)
    frame = await asyncio.wait_for(process.stdout.readexactly(4), 30)
    assert frame[:2] == b"\0\2"
    return int.from_bytes(frame[2:])


@asynccontextmanager
async def started(config: Path) -> AsyncIterator[Process]:
    """Start `muniment extauth` as ejabberd does; it ends with its standard input."""
    command = [sys.executable, "-m", "component", "extauth", "--config", str(config)]
    environment = {name: text for name, text in os.environ.items() if "MUNIMENT" not in name}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env=environment,
    )
    try:
        yield process
    finally:
        await ended(process)


async def ended(process: Process) -> bytes:
    """Close the standard input of a process and return its log after its end."""
    assert process.stdin
    assert process.stderr
    process.stdin.close()
    log = await asyncio.wait_for(process.stderr.read(), 30)
    await process.wait()
    return log


async def test_extauth_registers_checks_changes_and_removes_accounts(
    config: Path, served: None
) -> None:
    user = f"ann:{HOST}"
    async with started(config) as process:
        answers = [
            await ask(process, question)
            for question in (
                f"isuser:{user}",
                f"tryregister:{user}:{PASSWORD}",
                f"tryregister:{user}:another",
                f"isuser:{user}",
                f"auth:{user}:{PASSWORD}",
                f"auth:{user}:another",
                f"auth:ann:{OTHER_HOST}:{PASSWORD}",
                f"setpass:{user}:{PASSWORD}:",
                f"auth:{user}:{PASSWORD}",
                f"auth:{user}:{PASSWORD}:",
                f"removeuser:{user}",
                f"removeuser:{user}",
                f"isuser:{user}",
            )
        ]

    assert answers == [NO, YES, NO, YES, YES, NO, NO, YES, NO, YES, YES, NO, NO]


async def test_refused_setpass_is_answered_with_2(config: Path, served: None) -> None:
    async with started(config) as process:
        assert await ask(process, f"setpass:ann:{HOST}:pencil") == FAILED
        assert await ask(process, f"isuser:ann:{HOST}") == NO


async def test_removeuser3_needs_the_right_password(config: Path, served: None) -> None:
    async with started(config) as process:
        await ask(process, f"tryregister:ann:{HOST}:pencil")

        assert await ask(process, f"removeuser3:ann:{HOST}:crayon") == NO
        assert await ask(process, f"isuser:ann:{HOST}") == YES
        assert await ask(process, f"removeuser3:ann:{HOST}:pencil") == YES
        assert await ask(process, f"isuser:ann:{HOST}") == NO


async def test_malformed_question_is_answered_with_no(
    config: Path, served: None, subtests: pytest.Subtests
) -> None:
    questions = [
        "",
        "auth",
        "auth:ann",
        f"auth:ann:{HOST}",
        f"isuser:ann:{HOST}:pencil",
        f"auth:ann:{HOST}:",
        f"auth::{HOST}:pencil",
        "auth:ann:elsewhere.example:pencil",
        "auth:ann:../v1:pencil",
        f"certauth:ann:{HOST}:pencil",
        f"AUTH:ann:{HOST}:pencil",
        b"auth:ann:example.org:pencil\xff",
        f"auth:ann:{HOST}:" + "x" * 65000,
    ]
    async with started(config) as process:
        await ask(process, f"tryregister:ann:{HOST}:pencil")
        for question in questions:
            with subtests.test(question=question[:40]):
                assert await ask(process, question) == NO
                assert await ask(process, f"auth:ann:{HOST}:pencil") == YES


@pytest.mark.parametrize("partial", [b"", b"\0", b"\0\x1d", b"\0\x1dauth:ann:"])
async def test_extauth_ends_with_its_standard_input(config: Path, partial: bytes) -> None:
    async with started(config) as process:
        assert process.stdin
        process.stdin.write(partial)

        log = await ended(process)

        assert (process.returncode, log) == (0, b"")


async def test_question_is_answered_with_no_while_the_program_does_not_run(
    config: Path, settings: WebSettings
) -> None:
    async with open_services() as services, started(config) as process:
        before = [
            await ask(process, question)
            for question in (
                f"auth:ann:{HOST}:pencil",
                f"isuser:ann:{HOST}",
                f"tryregister:ann:{HOST}:pencil",
                f"removeuser:ann:{HOST}",
                f"removeuser3:ann:{HOST}:pencil",
            )
        ]
        not_running = await ask(process, f"setpass:ann:{HOST}:pencil")
        async with serve(settings, services):
            registered = await ask(process, f"tryregister:ann:{HOST}:pencil")
        stopped = await ask(process, f"auth:ann:{HOST}:pencil")
        async with serve(settings, services):
            restarted = await ask(process, f"auth:ann:{HOST}:pencil")
        lines = (await ended(process)).decode().splitlines()

    assert (before, not_running) == ([NO] * 5, FAILED)
    assert (registered, stopped, restarted) == (YES, NO, YES)
    log = [line.partition("extauth: ")[2] for line in lines]
    trouble = (
        "every answer is no until this is solved: "
        f"Muniment does not answer at {LOOPBACK}:{settings.port}: Connection refused."
    )
    assert log == [trouble, "Muniment answers again"] * 2


async def test_wrong_configuration_is_logged_and_read_again(config: Path, served: None) -> None:
    right = config.read_text()
    config.write_text(right.replace("secret", "password"))
    async with started(config) as process:
        wrong_config = await ask(process, f"tryregister:ann:{HOST}:pencil")
        config.write_text(right)
        corrected = await ask(process, f"tryregister:ann:{HOST}:pencil")
        log = (await ended(process)).decode()

    assert (wrong_config, corrected) == (NO, YES)
    assert "http.password: unknown key" in log


async def test_password_is_not_logged(config: Path, served: None) -> None:
    questions = ("tryregister", "auth", "setpass", "removeuser3")
    async with started(config) as process:
        for question in questions:
            for user in (f"ann:{HOST}", "ann:elsewhere.example", "ann"):
                await ask(process, f"{question}:{user}:pencil")
                await ask(process, f"{question}:{user}:pencil-2")
        log = await ended(process)

    assert log
    assert b"pencil" not in log
