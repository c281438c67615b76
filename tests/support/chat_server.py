"""ejabberd with an upload service and archives of rooms, and Muniment with chat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.ejabberd import EXAMPLE
from support.releases import Release
from support.sign_in_server import SigningIn, sign_in_server

#: The lines of the example that enable the upload service.
_UPLOAD = re.compile(r"# mod_http_upload:\n(?:  #.*\n)*  #.*")
_HANDLER = "# /upload: mod_http_upload"


@contextmanager
def chat_server(folder: Path, release: Release) -> Iterator[SigningIn]:
    """Run both in a folder. Files go to the HTTP port of ejabberd, with the host of the slot."""
    block = _UPLOAD.search(EXAMPLE.read_text())
    assert block is not None
    lines = re.sub(r"^(  )?# ", lambda match: match[1] or "", block[0], flags=re.MULTILINE)
    lines = lines.replace("/var/lib/ejabberd/upload", str(folder / "upload"))
    with sign_in_server(
        folder,
        release,
        more_changes={block[0]: lines, _HANDLER: _HANDLER.removeprefix("# ")},
        has_rooms=True,
    ) as running:
        yield running
