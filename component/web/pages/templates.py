"""Templates of pages in HTML: each value is escaped, and a name that is not given is an error."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from component.web.pages.files import packaged


def environment_of(folder: Path, *, base: str) -> Environment:
    """Return a new environment for the templates of a folder.

    They find the static files of the pages at `assets`, which is below `base`.
    """
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
