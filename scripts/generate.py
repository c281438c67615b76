"""Write the files that the code determines: `make generated` runs it, and a test compares them.

scripts/generate.py
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from torture import page  # noqa: E402

from component import cli  # noqa: E402 - from this checkout
from component.cli.exit_codes import CONFIGURATION, MEANINGS  # noqa: E402
from component.config.example import example  # noqa: E402

#: The files of completions, by shell, with the names that the shells look for.
COMPLETIONS = {
    "bash": "packaging/completions/bash/muniment",
    "zsh": "packaging/completions/zsh/_muniment",
    "fish": "packaging/completions/fish/muniment.fish",
    "tcsh": "packaging/completions/tcsh/muniment.csh",
}

MANUAL_PAGE = "packaging/muniment.1"


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each file with its content."""
    # The width of the terminal decides where argparse breaks lines.
    os.environ["COLUMNS"] = "80"
    yield ROOT / "muniment.toml.example", example()
    parser = cli.parser()
    for action in actions(parser):
        if action.metavar == "PATH":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar == "DIRECTORY":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    for shell, name in COMPLETIONS.items():
        yield ROOT / name, f"{shtab.complete(parser, shell).rstrip()}\n"
    yield ROOT / MANUAL_PAGE, manual_page()
    yield page.PATH, page.page(page.PATH.read_text())


def manual_page() -> str:
    """Return the manual page of the command."""
    parser = cli.parser()
    # Its exit codes get a section of their own.
    parser.epilog = None
    page = Manpage(parser)
    # A date would change the file each time.
    page.date = ""
    page.source, page.manual = "Muniment", "User Commands"
    page.description = "message archive and remote-data component for ejabberd"
    codes = "".join(f".TP\n{code}\n{meaning}.\n" for code, meaning in MEANINGS.items())
    page.add_section("exit status", ">", codes)
    files = " ".join(CONFIGURATION.split()).replace("$", "\\(Do")
    page.add_section("files", ">", f"{files}\n")
    return str(page)


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options and arguments of a parser and of all its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from actions(subparser)


def main() -> None:
    """Write the files, and print the names of those that changed."""
    for path, text in generated():
        if path.exists() and path.read_text() == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
