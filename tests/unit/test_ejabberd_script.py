"""scripts/ejabberd: its messages when it cannot unpack a release."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.releases import SCRIPT, versions

#: The tools that the script uses on a system other than Debian.
TOOLS = ("bash", "env", "awk", "mkdir", "readlink", "paste", "cat", "grep", "head", "dirname")


def run(*arguments: str, **environment: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [(), ("1.0",)])
def test_unknown_version_is_refused_with_the_known_ones(arguments: tuple[str, ...]) -> None:
    script = run(*arguments)

    assert script.returncode == 2
    assert script.stdout == ""
    assert all(version in script.stderr for version in versions())


def test_machine_without_apt_is_reported(tmp_path: Path) -> None:
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)

    script = run(versions()[-1], PATH=tmp_path, EJABBERD_CACHE=tmp_path / "cache")

    assert script.returncode == 1
    assert "cannot be unpacked on this machine: there is no apt-get here" in script.stderr


def test_mirror_that_is_not_signed_is_refused(tmp_path: Path) -> None:
    mirror, cache = tmp_path / "mirror", tmp_path / "cache"
    for suite in ("trixie", "trixie-backports"):
        (mirror / "dists" / suite).mkdir(parents=True)
        (mirror / "dists" / suite / "Release").write_text(f"Suite: {suite}\nComponents: main\n")

    script = run(versions()[-1], EJABBERD_MIRROR=f"file://{mirror}", EJABBERD_CACHE=cache)

    assert script.returncode == 1
    assert "is not signed" in script.stderr
    assert f"ejabberd {versions()[-1]}: apt-get cannot read" in script.stderr
    # The script leaves the lock and no half unpacked release.
    assert [path.name for path in cache.iterdir()] == [f"{versions()[-1]}.lock"]


def test_unpacked_release_is_used_without_apt(tmp_path: Path) -> None:
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    folder = tmp_path / "cache" / versions()[0]
    folder.mkdir(parents=True)
    (folder / "erl").touch(mode=0o755)
    [listed] = re.findall(r"^recommended=\((.*?)\)", SCRIPT.read_text(), re.DOTALL | re.MULTILINE)
    packages = [f"{name}_1_amd64.deb\n" for name in listed.split()]
    (folder / "packages").write_text("".join(packages))

    script = run(versions()[0], PATH=tmp_path, EJABBERD_CACHE=folder.parent)

    assert (script.returncode, script.stdout) == (0, f"{folder}\n")
    # One that was unpacked when fewer packages were needed is unpacked anew.
    (folder / "packages").write_text("".join(packages[1:]))
    assert run(versions()[0], PATH=tmp_path, EJABBERD_CACHE=folder.parent).returncode == 1
