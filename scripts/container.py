"""Try the Dockerfile without a container engine: `make container` runs it, as root on Debian.

scripts/container.py

Each stage is a Debian of its own (scripts/chroot), in which its steps run by chroot(1). Then the
program runs as the container would run it, and the health check is made. An engine does more: what
isolates containers, volumes, and the images of the registry are not tried.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]

BASE = "debian:bookworm-slim"

#: Seconds until the program answers.
START_SECONDS = 60.0

CONFIG = """\
[xmpp]
jid = "muniment.internal"
hosts = ["chat.example"]
secret = "the secret of the component"
[http]
secret = "the secret of ejabberd"
"""

#: The certificates that the network of this machine may need.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(slots=True)
class Stage:
    """A stage of the Dockerfile, in its folder."""

    folder: Path
    directory: str = "/"
    user: str = "0:0"
    variables: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    settings: dict[str, str] = field(default_factory=dict)  #: of the container, by instruction

    def path(self, place: str) -> Path:
        """Return where a file of the stage is on this machine."""
        return self.folder / (Path(self.directory) / place).relative_to("/")

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs in the stage, as its user, in its directory."""
        user, _, group = self.user.partition(":")
        ids = f"--reuid={user} --regid={group} --clear-groups"
        inside = f'cd "$0" && exec setpriv {ids} "$@"'
        return ["chroot", str(self.folder), "sh", "-c", inside, self.directory, *arguments]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction of a Dockerfile with its value, on one line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, value = line.strip().partition(" ")
            yield name, " ".join(value.split())


def context() -> list[str]:
    """Return the files that the engine gets: those of Git that .dockerignore does not exclude."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    wanted = tuple(rule.removeprefix("!") for rule in rules if rule.startswith("!"))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *wanted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def build(text: str, work: Path) -> Stage:
    """Carry out all instructions, and return the last stage."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, value in instructions(text):
        print(f"{name} {value}", flush=True)
        if name == "FROM":
            image, _, alias = value.partition(" AS ")
            if image != BASE:
                raise SystemExit(f"only {BASE} can be tried here, and not {image}")
            stage = stages[alias or str(len(stages))] = Stage(unpacked(work / str(len(stages))))
        elif stage is None:
            raise SystemExit("the first instruction has to be FROM")
        else:
            carry_out(stage, name, value, stages)
    if stage is None:
        raise SystemExit("the Dockerfile has no stage")
    return stage


def carry_out(stage: Stage, name: str, value: str, stages: dict[str, Stage]) -> None:
    """Carry out an instruction in a stage."""
    if name == "RUN":
        subprocess.run(
            stage.command(["sh", "-c", value]),
            env={
                **stage.variables,
                "DEBIAN_FRONTEND": "noninteractive",
                "SSL_CERT_FILE": str(CERTIFICATES),
            },
            stdin=subprocess.DEVNULL,
            check=True,
        )
    elif name == "COPY":
        copy(stage, value.split(), stages)
    elif name == "ENV":
        stage.variables |= dict(part.split("=", 1) for part in shlex.split(value))
    elif name == "WORKDIR":
        stage.directory = value
        stage.path(".").mkdir(parents=True, exist_ok=True)
    elif name == "USER":
        stage.user = value
    elif name in ("VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
        stage.settings[name] = value
    else:
        raise SystemExit(f"{name} cannot be tried here")


def copy(stage: Stage, arguments: list[str], stages: dict[str, Stage]) -> None:
    """Copy from another stage, or the whole context."""
    if arguments[0].startswith("--from="):
        source, target = arguments[1:]
        other = stages[arguments[0].removeprefix("--from=")]
        shutil.copytree(other.path(source), stage.path(target), symlinks=True)
        return
    if arguments != [".", "."]:
        raise SystemExit(f"COPY {' '.join(arguments)} cannot be tried here")
    for name in context():
        target_path = stage.path(name)
        target_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target_path)


def unpacked(folder: Path) -> Path:
    """Unpack Debian into a new folder."""
    made = subprocess.run(
        [ROOT / "scripts" / "chroot"], stdout=subprocess.PIPE, text=True, check=True
    )
    folder.mkdir()
    subprocess.run(
        ["tar", "-x", "-p", "--numeric-owner", "-f", made.stdout.strip(), "-C", folder], check=True
    )
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, folder / CERTIFICATES.relative_to("/"))
    return folder


def try_out(stage: Stage) -> None:
    """Start the program as the container does, make the health check, and stop it."""
    entry = json.loads(stage.settings["ENTRYPOINT"])
    config = stage.folder / "etc/muniment/muniment.toml"
    config.write_text(CONFIG)
    shutil.chown(config, group=(stage.folder / "etc/muniment").stat().st_gid)
    config.chmod(0o640)
    subprocess.run(
        stage.command([*entry, "check-config", "--offline"]), env=stage.variables, check=True
    )
    # In a network of its own, like a container, with the loopback alone.
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    serving = stage.command([*entry, *json.loads(stage.settings["CMD"])])
    program = subprocess.Popen([*alone, *serving], env=stage.variables)
    try:
        wait_healthy(stage, program)
    finally:
        program.terminate()
    if (code := program.wait(START_SECONDS)) != 0:
        raise SystemExit(f"the program has ended with {code}")


def wait_healthy(stage: Stage, program: subprocess.Popen[bytes]) -> None:
    """Return when the health check succeeds."""
    check = json.loads(stage.settings["HEALTHCHECK"].partition("CMD ")[2])
    inside = ["nsenter", "--net", "--target", str(program.pid), *stage.command(check)]
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(inside, env=stage.variables, stderr=subprocess.DEVNULL).returncode != 0:
        if time.monotonic() > deadline or program.poll() is not None:
            raise SystemExit("the health check does not succeed")
        time.sleep(0.5)
    print("the health check succeeds")


def main() -> None:
    """Build and try."""
    if os.geteuid() != 0:
        raise SystemExit("only root may unpack a Debian and run programs in it")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        stage = build((ROOT / "Dockerfile").read_text(), Path(folder))
        used = subprocess.run(
            ["du", "-sm", stage.path("/opt/muniment")], capture_output=True, text=True, check=True
        )
        print(f"{used.stdout.split()[0]} MB in /opt/muniment")
        try_out(stage)
    print("all steps of the Dockerfile work; no container engine was used")


if __name__ == "__main__":
    sys.exit(main())
