"""The demo of `make run` shows the archive, keeps it, and leaves no process running."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from shutil import copy
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from support.ejabberd import ROOT
from support.program import Program
from support.releases import Release, versions

#: What alice sends over HTTP.
SENT = "I have asked it, by curl, and here they are."

#: The time limit covers the wait for demos of other workers.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def well_known_ports() -> Iterator[None]:
    """Let one demo run at a time, because demos prefer the well-known ports."""
    with Path(tempfile.gettempdir(), "muniment-test-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Demo(Program):
    """A process of scripts/demo.py with its state in a folder."""

    def __init__(self, folder: Path, release: Release, checkout: Path = ROOT) -> None:
        super().__init__("demo", folder / "demo.log")
        self.folder = folder
        self.version = release.version
        self.checkout = checkout

    def start(self) -> None:
        """Start the demo, and return after it has shown everything."""
        self.begin()
        self.wait_until(lambda: "Ctrl-C stops it" in self.log, "shows everything")
        self.wait_until(lambda: self.log.count("log in") == 2, "tells how to go on")

    def begin(self) -> None:
        """Start the demo."""
        self.log_path.unlink(missing_ok=True)
        script = self.checkout / "scripts" / "demo.py"
        self.launch(
            [sys.executable, str(script), str(self.folder / "run"), "--ejabberd", self.version],
            cwd=self.folder,
        )


#: The signals that end the demo of a release. What follows from a signal differs in no release.
SIGNALS = {versions()[-1]: (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


@pytest.mark.every_ejabberd
def test_demo_keeps_the_archive_and_stops_every_process_on_a_signal(
    tmp_path: Path, release: Release
) -> None:
    demo = Demo(tmp_path, release)
    outcomes = []
    signals = SIGNALS.get(release.version, (signal.SIGINT,))
    for number in signals:
        with demo:
            output = demo.log
            poll = repeated_poll(output, tmp_path)
            condor, bpo = (chat_api(name, output, tmp_path) for name in ("condor", "bpo"))
            origins = send_file(output, tmp_path)
            page = page_of_accounts(output, tmp_path)
            os.kill(demo.pid, number)
            outcomes.append((demo.wait(), demo.log.splitlines()[-1]))

    assert outcomes == [(0, "stopped")] * len(signals)
    assert sections_with(output, SENT) == [
        "alice sends to bob over HTTP",
        "bob's XMPP client gets it",
        "bob's long poll gets it",
        "Both archives have it",
        "The server reads her archive over HTTP",
    ]
    assert [event["message"]["body"] for event in poll["events"]] == [SENT]
    assert condor.keys() == {"access", "refresh"}
    assert bpo == {"message": "Hello, World!"}
    assert origins[0] == origins[1]
    assert "alice@chat.example" in page
    assert re.search(r"^  chat      http://\S+/ in a browser", output, re.M)
    assert re.search(
        r"^  operators http://\S+/operators in a browser, secret in \S+$", output, re.M
    )
    # Each run archives 6 messages, and keeps those of earlier runs.
    assert f'"count":{6 * len(signals)}' in output
    secrets = [*(tmp_path / "run").glob("*-[pst]*")]
    assert {path.name for path in secrets} >= {"xmpp-secret", "alice-password", "bob-token"}
    for secret in secrets:
        assert secret.stat().st_mode & 0o077 == 0
        assert secret.read_text().split()[-1] not in output
    assert processes_of(tmp_path) == []


@pytest.mark.newest_ejabberd
def test_demo_fails_on_an_empty_archive(tmp_path: Path, release: Release) -> None:
    """The demo of a checkout whose ejabberd copies no messages."""
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    for name in ("component", "storage", "tests", "scripts/ejabberd"):
        (checkout / name).symlink_to(ROOT / name)
    copy(ROOT / "scripts" / "demo.py", checkout / "scripts")
    example = (ROOT / "ejabberd.yml.example").read_text()
    loggers = "  mod_service_log:\n    loggers:\n      - muniment.example\n"
    assert loggers in example
    (checkout / "ejabberd.yml.example").write_text(example.replace(loggers, ""))
    demo = Demo(tmp_path, release, checkout)

    demo.begin()

    assert demo.wait(seconds=120) == 1
    assert "is empty" in demo.log or "copies: " in demo.log


def sections_with(output: str, text: str) -> list[str]:
    """Return the headings of the sections behind the sign-in that have a text."""
    _, shown = output.split("sign in over HTTP")
    sections = re.findall(r"^(\w.*)\n((?:  .*\n)+)", shown, re.M)
    return [title for title, content in sections if text in content]


def repeated_poll(output: str, folder: Path) -> dict[str, Any]:
    """Run the command of the poll again, as a reader who copies it."""
    [command] = re.findall(r"^  \$ (curl .*/events\?.*)$", output, re.M)
    answer = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=True)
    return json.loads(answer.stdout)  # type: ignore[no-any-return]


def chat_api(name: str, output: str, folder: Path) -> dict[str, Any]:
    """Run the command that the demo prints for an API of another chat system."""
    [command] = re.findall(rf"^  {name} .*(curl .*)$", output, re.M)
    answer = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=True)
    return json.loads(answer.stdout)  # type: ignore[no-any-return]


def page_of_accounts(output: str, folder: Path) -> str:
    """Sign in to the operators' pages with the secret of the demo, and return that of accounts."""
    [(page, secret)] = re.findall(
        r"^  operators (http://\S+)/operators in a browser, secret in (\S+)$", output, re.M
    )
    fields = {"secret": (folder / secret).read_text().strip(), "next": "/operators/accounts"}
    address = urlsplit(page)
    with closing(HTTPConnection(address.netloc, timeout=30)) as connection:
        headers = {"Origin": page, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/operators/sign-in", urlencode(fields), headers)
        answer = connection.getresponse()
        answer.read()
        cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    _, content = request("GET", f"{page}/operators/accounts", {"Cookie": cookie})
    return content.decode()


def send_file(output: str, folder: Path) -> tuple[str, str | None]:
    """Send a file as the chat page does; return the page's origin, and the one that may send."""
    [origin] = re.findall(r"^  chat      (http://\S+)/ in a browser", output, re.M)
    name, _, value = (folder / "run/alice-token").read_text().strip().partition(": ")
    headers = {name: value, "Content-Type": "application/json"}
    fields = json.dumps({"name": "plan.txt", "size": 4, "type": "text/plain"}).encode()
    _, content = request("POST", f"{origin}/api/v1/chat/uploads", headers, fields)
    slot = json.loads(content)
    headers = {"Content-Type": "text/plain", "Origin": origin, **slot["headers"]}
    answered, _ = request("PUT", slot["put"], headers, b"plan")
    assert request("GET", slot["get"])[1] == b"plan"
    return origin, answered["Access-Control-Allow-Origin"]


def request(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[HTTPMessage, bytes]:
    """Return the headers and the content of an answer."""
    address = urlsplit(url)
    with closing(HTTPConnection(address.netloc, timeout=30)) as connection:
        connection.request(method, address.path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status in (200, 201), content
        return answer.headers, content


def processes_of(folder: Path) -> list[str]:
    """Return the command lines that name a folder."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            commands.append(command)
    return commands
