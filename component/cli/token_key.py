"""`muniment token-key`: create the key of access tokens, and print the lines for ejabberd.yml."""

from __future__ import annotations

import sys
from pathlib import Path

from component.cli.exit_codes import CONFIG_WRONG, FAILED, OK
from component.config import Config


def run(config: Config) -> int:
    """Create the key unless there is one, print the lines, and return an exit code."""
    # Imported here, because tokens need cryptography, which no other command waits for.
    from component.wiring import token_key

    if config.tokens.key_file is None:
        print("muniment: tokens.key_file is not set", file=sys.stderr)
        return CONFIG_WRONG
    path = Path(config.tokens.key_file)
    try:
        token_key.load(path)
    except OSError as error:
        print(f"muniment: {error}", file=sys.stderr)
        return FAILED
    print("# ejabberd has to be able to enter the folder of the file, and to read the file:")
    print(f"# chgrp ejabberd {path}; chmod 640 {path}")
    print("auth_method: [internal, jwt]")
    print(f'jwt_key: "{path}"')
    return OK
