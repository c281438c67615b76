"""Errors of commands on standard error, as a line or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from component.cli.colours import Colour, painted
from component.cli.exit_codes import NAMES


def fail_all(problems: Sequence[str], code: int, *, in_json: bool) -> int:
    """Print problems, a line for each or one object as JSON, and return their exit code."""
    for message in ["; ".join(problems)] if in_json else problems:
        fail(message, code, in_json=in_json)
    return code


def fail(message: str, code: int, *, in_json: bool) -> int:
    """Print an error, and return its exit code."""
    if in_json:
        fields = {"error": NAMES[code], "message": message, "exit_code": code}
        print(json.dumps(fields, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"{painted('muniment:', Colour.RED, sys.stderr)} {message}", file=sys.stderr)
    return code
