"""The files of the pages, which are read once, and served from memory.

The path of a file has the version of all files. So a browser may keep the file for ever, and a
page does not mix modules of two versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path

STATIC = Path(__file__).parent / "static"

#: The media types of files; a file of another type is not served.
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

#: The path of a file below the prefix of a family.
ASSETS = "assets"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """The content of a file, its media type, and a tag that changes with the content."""

    content: bytes
    type: str
    tag: str  #: the value of an ETag, without quotation marks


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """All files below a folder, by their paths relative to it."""

    files: Mapping[str, StaticFile]
    version: str  #: of all files together

    @classmethod
    def read(cls, folder: Path) -> StaticFiles:
        """Return the files below a folder. Raises OSError."""
        files = {
            path.relative_to(folder).as_posix(): static_file(path.read_bytes(), path.suffix)
            for path in sorted(folder.rglob("*"))
            if path.suffix in TYPES
        }
        tags = "".join(f"{path} {file.tag}\n" for path, file in files.items())
        return cls(files, _tag(tags.encode()))

    @property
    def path(self) -> str:
        """The path of the files, relative to the prefix of a family."""
        return f"{ASSETS}/{self.version}"

    def text(self, *paths: str) -> str:
        """Return the text of files, one behind the other."""
        return "".join(self.files[path].content.decode() for path in paths)

    def page(
        self, path: str, values: Mapping[str, str], *, modules: tuple[str, ...], style: str = ""
    ) -> StaticFile:
        """Return an HTML file after `{{name}}` was replaced by each value, as text.

        `{{assets}}` is the path of the files. `{{modules}}` makes a browser load all JavaScript
        modules in the folders `modules` at once, and not only when another module imports them.
        `{{style}}` is CSS in the page itself, which then is painted as soon as it is there.
        """
        assets = self.path
        preloads = "\n".join(
            f'<link rel="modulepreload" href="{assets}/{name}">'
            for name in self.files
            if name.endswith(".js") and name.startswith(tuple(f"{part}/" for part in modules))
        )
        text = self.files[path].content.decode()
        for name, value in (*values.items(), ("assets", assets)):
            text = text.replace(f"{{{{{name}}}}}", escape(value))
        text = text.replace("{{modules}}", preloads).replace("{{style}}", style)
        return static_file(text.encode(), ".html")


@cache
def packaged() -> StaticFiles:
    """Return the files of this package."""
    return StaticFiles.read(STATIC)


def static_file(content: bytes, suffix: str) -> StaticFile:
    """Return a file; `suffix` is that of its name. Raises KeyError for one without a type."""
    return StaticFile(content, TYPES[suffix], _tag(content))


def _tag(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]
