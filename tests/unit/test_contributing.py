"""The first change of CONTRIBUTING.md is made word by word in a copy of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.shell_blocks import ROOT, blocks, shell_blocks

DOCUMENT = ROOT / "CONTRIBUTING.md"
HEADING = "Your first change"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the commands need, with the environment of this test."""
    copy = tmp_path / "checkout"
    unneeded = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("component", "storage", "tests", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=unneeded)
    shutil.copyfile(ROOT / "pyproject.toml", copy / "pyproject.toml")
    (copy / ".venv").symlink_to(sys.prefix)
    # It would install packages of Debian.
    (tmp_path / "make").write_text('#!/bin/sh\n[ "$*" = setup ]\n')
    (tmp_path / "make").chmod(0o755)
    return copy


def shell(checkout: Path, commands: str) -> tuple[int, str]:
    """Run the commands, and return the exit code and the output."""
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=checkout,
        env={**os.environ, "PATH": f"{checkout.parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    return process.returncode, process.stdout


def test_first_change_fails_before_its_code_and_passes_with_it(checkout: Path) -> None:
    set_up, with_test, with_code = shell_blocks(DOCUMENT, HEADING)
    names = ("test.diff", "code.diff")
    for name, diff in zip(names, blocks(DOCUMENT, HEADING, "diff"), strict=True):
        (checkout / name).write_text(diff)

    before, failing, after = (shell(checkout, block) for block in (set_up, with_test, with_code))

    assert before[0] == 0, before[1]
    assert failing[0] == 1
    assert "1 failed" in failing[1]
    assert "nothing to keep" in failing[1]
    assert after[0] == 0, after[1]
