"""The available releases of ejabberd: the installed one, and unpacked ones."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "ejabberd"

#: The folders of compiled modules of Debian and of other installers.
PLACES = (
    "usr/lib/*/ejabberd-*/ebin",
    "usr/lib/ejabberd*/ebin",
    "opt/ejabberd*/lib/ejabberd-*/ebin",
)


class Unavailable(Exception):
    """A release of ejabberd is not available on this machine; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of ejabberd, with the Erlang that runs it."""

    version: str
    erl: str
    modules: Path

    @property
    def debian_config(self) -> Path:
        """The ejabberd.yml that Debian installs with this release."""
        root = Path(self.erl).parent if "/" in self.erl else Path("/")
        return root / "usr/share/doc/ejabberd/examples/ejabberd.yml"

    @property
    def has_bans(self) -> bool:
        """Whether the API tells which accounts are banned."""
        return self.version >= "26.07"

    @property
    def has_iq_privilege(self) -> bool:
        """Whether mod_privilege can let a component send IQs as others, and drops its own."""
        return self.version >= "24.10"

    @property
    def has_user_iq_privilege(self) -> bool:
        """Whether a component can send IQs to users' own accounts as these users."""
        return self.version >= "25.03"

    @property
    def has_synchronized_displaying(self) -> bool:
        """Whether clients can publish displayed markers as XEP-0490 wants it."""
        return self.version >= "24.12"


@cache
def versions() -> tuple[str, ...]:
    """Return the versions that `scripts/ejabberd` can unpack, the oldest first."""
    return tuple(_run("--list").split())


@cache
def unpacked(version: str) -> Release:
    """Return a release, unpacked unless it was before. Raises Unavailable."""
    folder = Path(_run(version).strip())
    modules = _modules(folder)
    if modules is None:
        raise Unavailable(f"{folder} has no ejabberd: remove the folder to unpack it again")
    return Release(version, str(folder / "erl"), modules)


def installed_or_newest() -> Release:
    """Return the installed release, or else the newest available one. Raises Unavailable."""
    modules = _modules(Path("/"))
    if modules is None:
        return unpacked(versions()[-1])
    return Release(modules.parent.name.partition("-")[2], "erl", modules)


def _modules(root: Path) -> Path | None:
    matches = sorted(place for pattern in PLACES for place in root.glob(pattern))
    return matches[-1] if matches else None


def _run(argument: str) -> str:
    # The script may have to download, for which it needs the public certificates.
    environment = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    try:
        script = subprocess.run(
            [SCRIPT, argument], env=environment, capture_output=True, text=True, check=True
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(error.stderr.strip()) from None
    return script.stdout
