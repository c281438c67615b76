"""What is asked on a terminal: passwords, and whether to go on."""

from __future__ import annotations

import getpass
import sys

_NONE = "There is no password."


class NoPassword(Exception):
    """There is none, or the two that were typed differ."""


def is_there() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def confirms(wanted: str) -> bool:
    """Ask for words before something is taken away, and say whether those were typed.

    It is asked on standard error: what goes to standard output is the answer.
    """
    print(f"Type {wanted} to go on: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == wanted


def password() -> str:
    """Return a password: asked for twice, or the first line of standard input.

    Raises NoPassword.
    """
    if not is_there():
        # As it is: a password may begin or end with a blank.
        said = sys.stdin.readline().rstrip("\r\n")
    else:
        try:
            said = getpass.getpass("Password: ")
            again = getpass.getpass("The same again: ")
        except EOFError:
            # The terminal is at its end: Ctrl-D.
            raise NoPassword(_NONE) from None
        if again != said:
            raise NoPassword("The passwords differ.")
    if not said:
        raise NoPassword(_NONE)
    return said
