"""The Debian package: built by its script, installed, upgraded and removed in a Debian."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import ROOT
from support.debian import STEP_SECONDS, Booted, Debian, can_boot, can_make
from support.ports import LOOPBACK, free_port
from support.program import Program

from component import __version__

pytestmark = [
    pytest.mark.skipif(not can_make(), reason="only root may unpack a Debian"),
    pytest.mark.timeout(2 * STEP_SECONDS),
]

CONFIG = "/etc/muniment"
ARCHIVE = "/var/lib/muniment"

#: Notes how it was called, as the scripts of the package call it on a machine with systemd.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/systemctl-calls
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, without compression, which takes long."""
    built = subprocess.run(
        [ROOT / "scripts" / "deb", tmp_path_factory.mktemp("package")],
        env={
            **os.environ,
            "DPKG_DEB_COMPRESSOR_TYPE": "none",
            # Programs that the tests start trust no certificate otherwise.
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        },
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


@pytest.fixture(scope="module")
def debian(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """A Debian with the package, which the tests use one after the other."""
    system = Debian(tmp_path_factory.mktemp("debian") / "root")
    shutil.copy(package, system.path("/muniment.deb"))
    printed = system.run("dpkg", "--install", "/muniment.deb")
    assert "muniment init /etc/muniment --group muniment --host YOUR.DOMAIN" in printed
    yield system
    shutil.rmtree(system.folder)


def test_files_belong_to_root_and_are_where_debian_expects_them(debian: Debian) -> None:
    assert debian.run("dpkg", "--verify", "muniment") == ""
    assert debian.run("muniment", "--version") == f"muniment {__version__}\n"
    unit = debian.path("/usr/lib/systemd/system/muniment.service")
    assert unit.read_bytes() == (ROOT / "packaging" / "muniment.service").read_bytes()
    for place in (
        "/usr/share/man/man1/muniment.1.gz",
        "/usr/share/bash-completion/completions/muniment",
        "/usr/share/zsh/vendor-completions/_muniment",
        "/usr/share/doc/muniment/copyright",
        "/usr/share/doc/muniment/docs/operations.md",
        "/opt/muniment/share/muniment/muniment.toml.example",
    ):
        assert debian.path(place).exists(), place
    wrong = [
        path
        for path in debian.path("/opt/muniment").rglob("*")
        if not path.is_symlink()
        and (path.stat().st_uid != 0 or path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    ]
    assert wrong == []


def test_modules_are_compiled_and_name_no_folder_of_the_build(debian: Debian) -> None:
    compiled = (
        "import component.wiring.app as app; print(app.__cached__, app.serve.__code__.co_filename)"
    )
    cached, source = debian.run("/opt/muniment/bin/python", "-c", compiled).split()

    assert debian.path(cached).exists()
    assert source.startswith("/opt/muniment/lib/")


def test_user_and_folders_are_those_of_the_operations(debian: Debian) -> None:
    assert debian.run("id", "-un", "muniment") == "muniment\n"
    assert debian.owner_and_mode(CONFIG) == "root:muniment 750"
    assert debian.owner_and_mode(ARCHIVE) == "muniment:muniment 700"


def test_user_of_the_service_runs_the_configuration_of_init(
    debian: Debian, tmp_path: Path
) -> None:
    debian.run("muniment", "init", CONFIG, "--group", "muniment", "--host", "chat.example")
    assert debian.owner_and_mode(f"{CONFIG}/xmpp-secret") == "root:muniment 640"
    checked = debian.run("muniment", "check-config", "--offline", user="muniment")
    assert f"ok  configuration: {CONFIG}/muniment.toml\n" in checked

    port = free_port()
    program = Program("muniment", tmp_path / "log")
    program.launch(
        debian.command("muniment", "serve", user="muniment"),
        cwd=tmp_path,
        environment={"MUNIMENT_HTTP__PORT": str(port), "PATH": "/usr/bin:/bin:/usr/sbin"},
    )
    health = f"http://{LOOPBACK}:{port}/health/live"
    ask = f"import urllib.request; print(urllib.request.urlopen('{health}').read().decode())"
    try:
        program.wait_until(lambda: f"on http://{LOOPBACK}:{port}" in program.log, "serves")
        assert "live" in debian.run("/opt/muniment/bin/python", "-c", ask)
    finally:
        program.stop()
    assert debian.path(f"{ARCHIVE}/muniment.db").exists()
    assert debian.owner_and_mode(f"{ARCHIVE}/muniment.db").startswith("muniment:muniment ")


@pytest.mark.skipif(not can_make() or not can_boot(), reason="systemd cannot be booted here")
def test_systemd_starts_reloads_upgrades_and_watches_the_service(
    debian: Debian, tmp_path: Path
) -> None:
    config = debian.path(f"{CONFIG}/muniment.toml")
    if not config.exists():
        debian.run("muniment", "init", CONFIG, "--group", "muniment", "--host", "chat.example")
    drop_in = debian.path("/etc/systemd/system/muniment.service.d/watchdog.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=10\n")
    with Booted(debian, tmp_path / "systemd.log") as system:

        def journal() -> str:
            return system.call("journalctl", "--unit", "muniment", "--no-pager", "--output", "cat")

        def main_process() -> int:
            return int(system.property("muniment", "MainPID"))

        # It returns when the program has said that it is ready.
        assert system.call("systemctl", "start", "muniment") == ""
        assert system.property("muniment", "ActiveState") == "active", journal()
        told = "not connected to ejabberd"
        system.wait_until(lambda: system.property("muniment", "StatusText") == told, "status")
        first = main_process()

        text = config.read_text()
        assert "[retention]\n" in text
        config.write_text(text.replace("[retention]\n", "[retention]\ndays = 30\n", 1))
        assert system.call("systemctl", "reload", "muniment") == "", journal()
        line = "reloaded retention.days: it takes effect now"
        system.wait_until(lambda: line in journal(), line)
        warnings = system.call("journalctl", "--unit", "muniment", "--priority", "warning")
        assert "no connection to 127.0.0.1" in warnings
        assert line not in warnings
        assert main_process() == first

        # The upgrade has the new program take over.
        assert "Setting up muniment" in system.call("dpkg", "--install", "/muniment.deb")
        system.wait_until(lambda: main_process() not in (0, first), "has taken over")
        second = main_process()
        assert system.property("muniment", "ActiveState") == "active"
        assert system.property("muniment", "NRestarts") == "0"

        # A program that does not go on is started anew, also after a take-over.
        system.call("systemctl", "kill", "--signal=SIGSTOP", "--kill-whom=main", "muniment")
        system.wait_until(lambda: system.property("muniment", "NRestarts") == "1", "restarted")
        system.wait_until(lambda: main_process() not in (0, second), "runs again")
        assert "Watchdog timeout" in system.call("journalctl", "--no-pager")

        system.wait_until(
            lambda: system.property("muniment", "ActiveState") == "active", "is ready again"
        )
        assert system.call("systemctl", "stop", "muniment") == ""
        assert system.property("muniment", "Result") == "success", journal()


def test_upgrade_takes_over_or_restarts_and_removal_keeps_the_archive(debian: Debian) -> None:
    """The last test, because it removes the package."""
    calls = debian.path("/systemctl-calls")
    systemctl = debian.path("/usr/bin/systemctl")
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    debian.path("/run/systemd/system").mkdir(parents=True, exist_ok=True)
    secret = debian.path(f"{CONFIG}/xmpp-secret").read_text()
    # A program that was killed leaves its socket.
    debian.path(f"{ARCHIVE}/muniment.db-take-over").unlink(missing_ok=True)

    debian.run("dpkg", "--install", "/muniment.deb")
    assert calls.read_text().splitlines() == [
        "daemon-reload",
        "--quiet is-active muniment",
        "restart muniment",
    ]
    calls.unlink()
    socket = "import socket; socket.socket(socket.AF_UNIX).bind('muniment.db-take-over')"
    debian.run("sh", "-c", f'cd {ARCHIVE} && exec python3 -c "{socket}"')
    debian.run("dpkg", "--install", "/muniment.deb")
    assert calls.read_text().splitlines()[-1] == (
        "kill --signal=SIGUSR2 --kill-whom=main muniment"
    )
    assert debian.path(f"{CONFIG}/xmpp-secret").read_text() == secret
    calls.unlink()

    debian.run("dpkg", "--remove", "muniment")
    assert calls.read_text().splitlines() == ["--quiet disable --now muniment", "daemon-reload"]
    assert not debian.path("/opt/muniment").exists()
    assert debian.path(f"{CONFIG}/muniment.toml").exists()

    printed = debian.run("dpkg", "--purge", "muniment")
    assert f"The archive is still in {ARCHIVE}." in printed
    assert not debian.path(CONFIG).exists()
    assert debian.path(f"{ARCHIVE}/muniment.db").exists()

    # An installation by pip is not overwritten.
    debian.path("/opt/muniment").mkdir(parents=True)
    refused = debian.run("dpkg", "--install", "/muniment.deb", code=1)
    assert "/opt/muniment exists already" in refused
