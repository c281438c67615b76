"""`muniment check-config` beside a real ejabberd, and beside a Muniment that serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import mam
from support.ejabberd import ROOT
from support.server import Server

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd


def check(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    return subprocess.run(
        [sys.executable, "-m", "component", "check-config", "--config", str(config), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rewritten(server: Server, folder: Path, *changes: tuple[str, str]) -> Path:
    """Return a copy of the configuration in another folder, with these texts replaced."""
    text = server.muniment.config_path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "muniment.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


async def test_check_config_finds_the_running_program(server: Server) -> None:
    done = check(server.muniment.config_path)

    assert done.returncode == 0, done.stdout
    assert f"ok  running: Muniment answers at 127.0.0.1:{server.muniment.http_port}" in done.stdout


async def test_check_config_of_another_store_leaves_the_component_connected(
    server: Server, tmp_path: Path
) -> None:
    """The unit of the service may set another store and port than the file says."""
    elsewhere = rewritten(
        server,
        tmp_path,
        ("sqlite:muniment.db", f"sqlite:{tmp_path}/other.db"),
        (f"port = {server.muniment.http_port}", "port = 1"),
    )
    alice, bob = server.accounts("alice", "bob")

    done = check(elsewhere)

    assert "xmpp.jid and xmpp.secret were not tried (--login tries them)" in done.stdout
    async with server.client(alice) as hers, server.client(bob) as his:
        await his.be_available()
        hers.say(bob.jid, "still archived")
        await his.wait_for_body("still archived")
        assert await mam.bodies(his) == ["still archived"]


def test_check_config_reports_a_port_without_ejabberd_service(
    server: Server, tmp_path: Path
) -> None:
    ports = server.ejabberd.ports
    wrong = rewritten(
        server,
        tmp_path,
        (f"port = {ports.component}", f"port = {ports.c2s}"),
        (f"port = {server.muniment.http_port}", "port = 1"),
        ("sqlite:muniment.db", f"sqlite:{tmp_path}/other.db"),
    )

    done = check(wrong)

    assert done.returncode == 75
    assert f"refuses {server.ejabberd.component}: invalid-namespace" in done.stdout


def test_check_config_with_login_reports_a_wrong_secret(
    own_server: Server, tmp_path: Path
) -> None:
    own_server.muniment.stop()
    wrong = rewritten(own_server, tmp_path, (own_server.ejabberd.secret, "wrong-one"))

    assert check(wrong).returncode == 0
    done = check(wrong, "--login")

    assert done.returncode == 75
    assert "refuses xmpp.secret" in done.stdout
    assert "wrong-one" not in done.stdout + done.stderr
