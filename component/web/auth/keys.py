"""What requests find in their application, and on themselves: every typed key."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.access.audit import Audit
from component.core.access.principals import Operator
from component.core.accounts.protocol import Accounts
from component.core.commands.dispatch import Desk
from component.core.ports import ArchiveCalls, Jids
from component.core.reading.conversations import Conversations
from component.core.reading.following import Following
from component.core.reading.operator_reads import Reading
from component.core.reading.pages import Pages
from component.core.remote_data.offline import WaitingStanzas
from component.core.retention.admin import Administration
from component.core.rosters.service import ContactLists
from component.web.archive.seats import Seats
from component.web.auth.guessing import Guessing
from component.web.server.callers import Told
from component.web.server.readiness import Readiness
from component.web.server.settings import WebSettings

settings = web.AppKey("settings", WebSettings)
guessing = web.AppKey("guessing", Guessing)
refused = web.AppKey("refused", Told)
hosts = web.AppKey("hosts", tuple[str, ...])
archive_calls = web.AppKey("archive_calls", ArchiveCalls)
accounts = web.AppKey("accounts", Accounts)
waiting = web.AppKey("waiting", WaitingStanzas)
readiness = web.AppKey("readiness", Readiness)
jids = web.AppKey("jids", Jids)
audit = web.AppKey("audit", Audit)
pages = web.AppKey("pages", Pages)
reading = web.AppKey("reading", Reading)
conversations = web.AppKey("conversations", Conversations)
following = web.AppKey("following", Following)
streams = web.AppKey("streams", Seats)
administration = web.AppKey("administration", Administration)
desk = web.AppKey("desk", Desk)
contact_lists = web.AppKey("contact_lists", ContactLists)

#: Handlers whose answers go on for as long as their callers take them.
unhurried = web.AppKey("unhurried", frozenset[Handler])

#: Of a request: who calls.
operator = web.RequestKey("operator", Operator)
