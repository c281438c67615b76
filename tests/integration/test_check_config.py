"""`muniment check-config` beside a real ejabberd, and beside a Muniment that serves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support import mam
from support.command import run_command
from support.server import Server

#: The answers of ejabberd differ between releases.
pytestmark = pytest.mark.every_ejabberd


def check(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `muniment check-config` with a configuration."""
    return run_command("check-config", "--config", str(config), *options)


def rewritten(server: Server, folder: Path, *changes: tuple[str, str]) -> Path:
    """Return the path of a copy of the configuration in which these texts are replaced."""
    text = server.muniment.config_path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "muniment.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


async def test_check_config_finds_the_running_program(server: Server) -> None:
    command = check(server.muniment.config_path)

    assert command.returncode == 0, command.stdout
    assert (
        f"ok  running: Muniment answers at 127.0.0.1:{server.muniment.http_port}" in command.stdout
    )


async def test_check_config_of_another_store_leaves_the_component_connected(
    server: Server, tmp_path: Path
) -> None:
    """The unit of the service may set another store and port than the file."""
    config = rewritten(
        server,
        tmp_path,
        ("sqlite:muniment.db", f"sqlite:{tmp_path}/other.db"),
        (f"port = {server.muniment.http_port}", "port = 1"),
    )
    alice, bob = server.accounts("alice", "bob")

    command = check(config)

    assert "xmpp.jid and xmpp.secret were not tried (--login tries them)" in command.stdout
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await bob_client.be_available()
        alice_client.say(bob.jid, "still archived")
        await bob_client.wait_for_body("still archived")
        assert await mam.bodies(bob_client) == ["still archived"]


def test_check_config_reports_a_port_without_ejabberd_service(
    server: Server, tmp_path: Path
) -> None:
    ports = server.ejabberd.ports
    config = rewritten(
        server,
        tmp_path,
        (f"port = {ports.component}", f"port = {ports.c2s}"),
        (f"port = {server.muniment.http_port}", "port = 1"),
        ("sqlite:muniment.db", f"sqlite:{tmp_path}/other.db"),
    )

    command = check(config)

    assert command.returncode == 75
    assert f"refuses {server.ejabberd.component}: invalid-namespace" in command.stdout


def test_check_config_with_login_reports_a_wrong_secret(
    own_server: Server, tmp_path: Path
) -> None:
    own_server.muniment.stop()
    config = rewritten(own_server, tmp_path, (own_server.ejabberd.secret, "wrong-one"))

    assert check(config).returncode == 0
    command = check(config, "--login")

    assert command.returncode == 75
    assert "refuses xmpp.secret" in command.stdout
    assert "wrong-one" not in command.stdout + command.stderr
