"""ejabberd with an upload service and archives of rooms, and Muniment with chat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.releases import Release
from support.sign_in_server import SigningIn, sign_in_server
from support.uploads import with_uploads


@contextmanager
def chat_server(folder: Path, release: Release) -> Iterator[SigningIn]:
    """Run both in a folder. Files go to the HTTP port of ejabberd, with the host of the slot."""
    changes = with_uploads(folder / "upload")
    with sign_in_server(folder, release, more_changes=changes, has_rooms=True) as running:
        yield running
