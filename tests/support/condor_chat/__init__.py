"""The examples of condor_chat's README, word by word: commands of curl, and their answers.

README.md in this folder is the chapter "API Usage" of the README of
https://github.com/ChronoFrank/condor_chat (2c4123f).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

README = Path(__file__).parent / "README.md"

#: The server of the README.
SERVER = "localhost:8000"

_BLOCK = re.compile(r"^ *```\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^ *#.*$", re.MULTILINE)
_TOKEN = re.compile(r"Bearer [\w.-]+")

#: What curl is told besides the command: its configuration file.
_CONFIGURATION = (
    'silent\nshow-error\nmax-time = 30\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n'
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server has answered."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Example:
    """A command of the README, and the bodies of the answers that it shows."""

    command: str
    answers: tuple[Any, ...]

    def run(
        self, folder: Path, server: str, token: str = "", changes: Mapping[str, str] | None = None
    ) -> Answer:
        """Run the command by a shell, against another server and with another token.

        Each text of `changes` is in the command once, and is replaced too: an id, or a file.
        """
        command = _TOKEN.sub(f"Bearer {token}", self.command.replace(SERVER, server))
        for old, new in (changes or {}).items():
            assert command.count(old) == 1, (old, command)
            command = command.replace(old, new)
        (folder / ".curlrc").write_text(_CONFIGURATION)
        ran = subprocess.run(
            ["sh", "-c", command],
            env={"PATH": "/usr/bin:/bin", "CURL_HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, (command, ran.stderr)
        body, _, status = ran.stdout.rpartition("\n")
        return Answer(int(status), json.loads(body))


def examples() -> list[Example]:
    """Return the examples in the order of the README."""
    found = []
    for block in _BLOCK.findall(README.read_text()):
        parts = [part.strip() for part in _HEADING.split(block) if part.strip()]
        [command] = [part for part in parts if part.startswith("curl")]
        answers = tuple(json.loads(part) for part in parts if not part.startswith("curl"))
        # One of them ends with a backslash before an empty line.
        found.append(Example(f"{command}\n", answers))
    return found


def shape(value: Any) -> Any:
    """Return a value with the type of each part in its place; lists have one item at most.

    Times are distinguished from other texts, and so are addresses.
    """
    match value:
        case dict():
            return {name: shape(part) for name, part in value.items()}
        case list():
            return [shape(part) for part in value[:1]]
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}-05:00", value):
            return "time"
        case str() if value.startswith("http://"):
            return "address"
        case _:
            return type(value).__name__
