"""The messages to the service manager, sd_notify(3)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.wiring import service_manager


@pytest.fixture(params=["path", "abstract"])
def manager(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket of a service manager that has started this process."""
    name = f"{tmp_path}/notify"
    is_abstract = request.param == "abstract"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}" if is_abstract else name)
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if is_abstract else name)
        yield listening


def test_messages_have_the_lines_of_sd_notify(manager: socket.socket) -> None:
    service_manager.notify_ready()
    service_manager.notify_main()
    service_manager.notify_stopping()
    service_manager.notify_reloading()

    assert manager.recv(100) == b"READY=1"
    assert manager.recv(100) == f"MAINPID={os.getpid()}".encode()
    assert manager.recv(100) == b"STOPPING=1"
    reloading, _, when = manager.recv(100).decode().partition("\nMONOTONIC_USEC=")
    assert reloading == "RELOADING=1"
    assert when.isdecimal()


async def test_signs_of_life_follow_each_other_in_time(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    task = asyncio.create_task(service_manager.send_signs_of_life())
    for _ in range(3):
        assert await asyncio.to_thread(manager.recv, 100) == b"WATCHDOG=1"
    task.cancel()


async def test_status_is_told_when_it_changes(manager: socket.socket) -> None:
    states = iter(["one", "one", "two"])

    task = asyncio.create_task(service_manager.send_status(lambda: next(states, "two"), 0.01))
    assert await asyncio.to_thread(manager.recv, 100) == b"STATUS=one"
    assert await asyncio.to_thread(manager.recv, 100) == b"STATUS=two"
    task.cancel()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_watchdog_is_for_the_process_that_systemd_names(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], seconds: float | None
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert service_manager.watchdog_seconds() == seconds


def test_manager_that_is_gone_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/nobody")

    service_manager.notify_ready()

    assert "the service manager cannot be told READY=1: " in caplog.text


def test_without_a_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    service_manager.notify_ready()

    assert caplog.text == ""
