"""What requests find in their application: every typed key of it."""

from __future__ import annotations

from aiohttp import web

from component.core.remote_data import RemoteArchive
from component.web.readiness import Readiness
from component.web.settings import WebSettings

settings = web.AppKey("settings", WebSettings)
hosts = web.AppKey("hosts", tuple[str, ...])
remote_archive = web.AppKey("remote_archive", RemoteArchive)
readiness = web.AppKey("readiness", Readiness)
