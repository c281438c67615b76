"""What requests find in their application, and on themselves: every typed key."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.accounts import Accounts
from component.core.administration import Administration
from component.core.audit import Audit
from component.core.commands.desk import Desk
from component.core.contact_lists import ContactLists
from component.core.conversations import Conversations
from component.core.following import Following
from component.core.operators import Operator
from component.core.pages import Pages
from component.core.ports import ArchiveCalls, Jids
from component.core.reading import Reading
from component.core.waiting import WaitingStanzas
from component.web.callers import Told
from component.web.guessing import Guessing
from component.web.readiness import Readiness
from component.web.seats import Seats
from component.web.settings import WebSettings

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
