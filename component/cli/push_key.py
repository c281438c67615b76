"""`muniment push-key`: create the key of Web Push, and print its public part for web clients."""

from __future__ import annotations

import sys
from pathlib import Path

from component.cli.exit_codes import CONFIG_WRONG, FAILED, OK
from component.config import Config


def run(config: Config) -> int:
    """Create the key unless there is one, print its public part, and return an exit code."""
    # Imported here, because the key needs cryptography, which no other command waits for.
    from component.push.web_push import public_key
    from component.wiring import push_key

    if config.push.key_file is None:
        print("muniment: push.key_file is not set", file=sys.stderr)
        return CONFIG_WRONG
    try:
        key = push_key.load(Path(config.push.key_file))
    except OSError as error:
        print(f"muniment: {error}", file=sys.stderr)
        return FAILED
    print(public_key(key))
    return OK
