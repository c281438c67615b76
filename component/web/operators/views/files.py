"""The links to files in an archive. The page loads none of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from component.core.messages.links import SharedFile
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.messages import shown
from component.web.operators.models import Id
from component.web.operators.rendering import render
from component.web.operators.views.days import ConversationParameters
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at
from storage.rows import Filter, Kind

#: The greatest number of characters of the message of a file.
_TEXT_MAX = 160

#: Browsers can open these addresses.
_SCHEMES = ("https", "http")


class FilesParameters(ConversationParameters):
    """GET {prefix}/archives/{owner}/files."""

    before: Id | None = None


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/files", list_files)


async def list_files(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/files: links to files, the newest first."""
    owner = await owner_of(request)
    parameters = checked(FilesParameters, body.query(request))
    peer = parameters.peer(request)
    page = await request.app[keys.browser].files(
        authenticate.principal(request),
        owner,
        Filter(peer=peer, kinds=frozenset({Kind.MESSAGE})),
        parameters.before,
    )
    return render(
        request,
        "archive/files.html",
        owner=owner,
        peer=peer,
        files=[
            (linked.file, _can_open(linked.file), shown(owner, linked.message, limit=_TEXT_MAX))
            for linked in page.files
        ],
        examined=page.examined,
        is_first=parameters.before is None,
        next=page.next,
    )


def _can_open(file: SharedFile) -> bool:
    """Return whether the address of a file may be a link: it names a server, and is no script."""
    try:
        parts = urlsplit(file.url)
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname)
