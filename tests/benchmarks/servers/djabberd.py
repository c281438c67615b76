"""An archive over HTTP in the shape of djabberd 0.9.6: Django, a REST view, a handler.

djabberd has no store of its own: its user writes the handler. This handler reads SQLite.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="benchmark",
    USE_TZ=True,
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

# Django has to be set up before this can be imported.
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

LAST = "last"

#: The columns of a row, and the keys of an item in the contract.
COLUMNS = ("username", "peer", "xml", "direction", "timestamp", "type", "nick", "body")

_local = threading.local()


def _database() -> sqlite3.Connection:
    if not hasattr(_local, "database"):
        _local.database = sqlite3.connect(os.environ["DJABBERD_DATABASE"])
    return _local.database


def archive(
    username: str,
    after: str | None = None,
    before: str | None = None,
    limit: str = "50",
    **_: str,
) -> dict[str, Any]:
    """Return one page. This is the handler that a user of djabberd writes."""
    database, where, values = _database(), "username = ?", [username]
    (count,) = database.execute(
        f"SELECT count(*) FROM archive WHERE {where}",  # noqa: S608 - constant words
        values,
    ).fetchone()
    if after is not None:
        where, values = f"{where} AND timestamp > ?", [*values, after]
    if before is not None and before != LAST:
        where, values = f"{where} AND timestamp < ?", [*values, before]
    order = "ASC" if before is None else "DESC"
    rows = database.execute(
        f"SELECT {', '.join(COLUMNS)} FROM archive WHERE {where} "  # noqa: S608 - same
        f"ORDER BY timestamp {order} LIMIT ?",
        [*values, int(limit)],
    ).fetchall()
    if before is not None:
        rows.reverse()
    items = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return {"archive": items, "count": count, "complete": len(rows) < int(limit)}


class ArchiveView(APIView):
    """GET /archive?username&after&before&limit."""

    def get(self, request: Request) -> Response:
        parameters = request.query_params.dict()
        if not parameters.get("username"):
            return Response(status=401)
        return Response(archive(**parameters))


urlpatterns = [path("archive", ArchiveView.as_view())]

application = get_wsgi_application()
