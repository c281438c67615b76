"""Prompts on the terminal: for a password, and for a confirmation."""

from __future__ import annotations

import getpass
import sys

_NONE = "No password was given."


class NoPassword(Exception):
    """No password was given, or it was repeated wrongly."""


def is_terminal() -> bool:
    """Return whether standard input is a terminal."""
    return sys.stdin.isatty()


def confirm(text: str) -> bool:
    """Ask the user to type `text`, and return whether the user did.

    The prompt goes to standard error, because standard output is for the answer.
    """
    print(f"Type {text} to confirm: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == text


def password() -> str:
    """Return a password that is typed twice, or is the first line of standard input.

    Raises NoPassword.
    """
    if not is_terminal():
        # Not stripped: a password may begin or end with a blank.
        typed = sys.stdin.readline().rstrip("\r\n")
    else:
        try:
            typed = getpass.getpass("Password: ")
            again = getpass.getpass("Repeat the password: ")
        except EOFError:
            # Ctrl-D ends the input.
            raise NoPassword(_NONE) from None
        if again != typed:
            raise NoPassword("The passwords differ.")
    if not typed:
        raise NoPassword(_NONE)
    return typed
