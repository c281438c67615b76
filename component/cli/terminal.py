"""Passwords, from a terminal or from a program that writes to us."""

from __future__ import annotations

import getpass
import sys

_NONE = "There is no password."


class NoPassword(Exception):
    """There is none, or the two that were typed differ."""


def password() -> str:
    """Return a password: asked for twice, or the first line of standard input.

    Raises NoPassword.
    """
    if not sys.stdin.isatty():
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
