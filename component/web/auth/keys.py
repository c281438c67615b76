"""What requests find in their application, and on themselves: every typed key."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.principals import Principal
from component.core.accounts.protocol import Accounts
from component.core.commands.dispatch import CommandService
from component.core.hosts import Hosts
from component.core.reading.pages import Pager
from component.core.reading.reader import ArchiveReader
from component.core.remote_data.archive import RemoteArchive
from component.core.remote_data.offline import OfflineStanzas
from component.core.retention.admin import ArchiveAdmin
from component.core.rosters.service import RosterService
from component.core.xml.jids import Jids
from component.handlers.archive import HandlerArchive
from component.web.archive.seats import TaskLimit
from component.web.auth.guessing import GuessLimit
from component.web.server.callers import LogOnce
from component.web.server.readiness import Readiness
from component.web.server.settings import WebSettings

settings = web.AppKey("settings", WebSettings)
guessing = web.AppKey("guessing", GuessLimit)
refused = web.AppKey("refused", LogOnce)
hosts = web.AppKey("hosts", Hosts)
handler_archive = web.AppKey("handler_archive", HandlerArchive)
remote_archive = web.AppKey("remote_archive", RemoteArchive)
accounts = web.AppKey("accounts", Accounts)
waiting = web.AppKey("waiting", OfflineStanzas)
readiness = web.AppKey("readiness", Readiness)
jids = web.AppKey("jids", Jids)
audit = web.AppKey("audit", Audit)
pages = web.AppKey("pages", Pager)
reader = web.AppKey("reader", ArchiveReader)
authorizer = web.AppKey("authorizer", Authorizer)
streams = web.AppKey("streams", TaskLimit)
administration = web.AppKey("administration", ArchiveAdmin)
commands = web.AppKey("commands", CommandService)
rosters = web.AppKey("rosters", RosterService)

#: Handlers whose answers go on for as long as their callers take them.
unhurried = web.AppKey("unhurried", frozenset[Handler])

#: Of a request: who sent it.
principal = web.RequestKey[Principal]("principal", Principal)  # type: ignore[arg-type]
