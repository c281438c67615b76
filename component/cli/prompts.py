"""Prompts on the terminal for a password or a confirmation."""

from __future__ import annotations

import getpass
import sys

_MISSING = "No password was given."


class NoPassword(Exception):
    """No password was given, or the two passwords differ."""


def is_terminal() -> bool:
    """Return whether standard input is a terminal."""
    return sys.stdin.isatty()


def confirm(text: str) -> bool:
    """Ask the user to type `text` and return whether the user did.

    The prompt goes to standard error, because standard output is for results.
    """
    print(f"Type {text} to confirm: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == text


def password() -> str:
    """Return a password typed twice on a terminal, or else the first line of standard input.

    Raises NoPassword.
    """
    if not is_terminal():
        # The line is not stripped, because a password may begin or end with a blank.
        first = sys.stdin.readline().rstrip("\r\n")
    else:
        try:
            first = getpass.getpass("Password: ")
            second = getpass.getpass("Repeat the password: ")
        except EOFError:
            # Ctrl-D ends the input.
            raise NoPassword(_MISSING) from None
        if second != first:
            raise NoPassword("The passwords differ.")
    if not first:
        raise NoPassword(_MISSING)
    return first
