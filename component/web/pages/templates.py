"""Templates of pages in HTML: each value is escaped, and a name that is not given is an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from component.web.pages.files import packaged

if TYPE_CHECKING:
    from jinja2 import Environment


def environment_of(folder: Path, *, base: str) -> Environment:
    """Return a new environment for the templates of a folder.

    They find the static files of the pages at `assets`, which is below `base`.
    """
    # Imported here, because a start need not wait for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["assets"] = f"{base}/{packaged().path}"
    return environment
