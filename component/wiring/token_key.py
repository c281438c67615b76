"""The file with the key of access tokens: the first start creates it, ejabberd reads it too.

ejabberd runs as another user: the administrator shares the file with its group.
"""

from __future__ import annotations

from pathlib import Path

from component.core.tokens.access_tokens import Key
from component.wiring import key_file

OPTION = "tokens.key_file"


def load(path: Path) -> Key:
    """Return the key in a file, which is created if it does not exist.

    Raises OSError, whose message names the file and says what to change.
    """
    content = key_file.load(
        path,
        option=OPTION,
        purpose="make access tokens of anybody",
        new=lambda: Key.generate().jwk() + "\n",
    )
    try:
        return Key.parse(content.decode())
    except ValueError as error:
        # The cause is hidden: it may contain the key.
        raise OSError(f"{OPTION}: {path} {error}: remove it to have it created") from None
