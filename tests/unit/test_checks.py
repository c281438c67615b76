"""`check-config` reports for each HTTP listener whether its address is free."""

from __future__ import annotations

import socket
from pathlib import Path

from support.configuration import REQUIRED, read
from support.ports import LOOPBACK, free_port

from component.core.doctor.finding import Severity
from component.handlers.functions import Handlers
from component.wiring.doctor.checks import checks


async def findings_about(section: str, folder: Path, text: str) -> list[tuple[Severity, str]]:
    """Return the findings about a listener, without ejabberd and without a store."""
    config = read(folder, text.replace("[http]", f"port = {free_port()}\n[http]", 1))
    findings = [finding async for finding in checks(config, Handlers())]
    return [
        (finding.severity, finding.seen)
        for finding in findings
        if finding.seen.startswith(f"{section}: ")
    ]


async def test_address_of_each_enabled_listener_is_checked(tmp_path: Path) -> None:
    private, public = free_port(), free_port()
    text = f"{REQUIRED}port = {private}\n[public_http]\nenabled = true\nport = {public}\n"

    for section, port in (("http", private), ("public_http", public)):
        assert await findings_about(section, tmp_path, text) == [
            (Severity.OK, f"{section}: {LOOPBACK}:{port} is free")
        ]


async def test_taken_port_of_the_public_listener_is_reported(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        text = f"{REQUIRED}enabled = false\n[public_http]\nenabled = true\nport = {port}\n"
        ((severity, message),) = await findings_about("public_http", tmp_path, text)

    assert severity is Severity.ERROR
    assert message.endswith("set public_http.port")


async def test_public_listener_is_not_checked_while_it_is_off(tmp_path: Path) -> None:
    text = f"{REQUIRED}port = {free_port()}\n"

    assert await findings_about("public_http", tmp_path, text) == []
