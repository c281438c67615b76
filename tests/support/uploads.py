"""The upload service of the example of ejabberd.yml (XEP-0363)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from support.ejabberd import EXAMPLE

#: The lines of the example that enable the service, and its line among the HTTP handlers.
_SERVICE = re.compile(r"# mod_http_upload:\n(?:  #.*\n)*  #.*")
_HANDLER = "# /upload: mod_http_upload"


def with_uploads(folder: Path, replacements: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the changes of the example that enable the service, with its files in a folder.

    `replacements` apply to the lines of the service. Raises LookupError if they are missing.
    """
    block = _SERVICE.search(EXAMPLE.read_text())
    if block is None:
        raise LookupError(f"{EXAMPLE} has no lines of mod_http_upload")
    lines = re.sub(r"^(  )?# ", lambda match: match[1] or "", block[0], flags=re.MULTILINE)
    own = {"/var/lib/ejabberd/upload": str(folder), **(replacements or {})}
    for example, value in own.items():
        lines = lines.replace(example, value)
    return {block[0]: lines, _HANDLER: _HANDLER.removeprefix("# ")}
