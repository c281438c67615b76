"""All archives, and one archive with its conversations."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.access.roles import has_role
from component.core.errors import BadRequest, Refused
from component.core.reading.conversations import ConversationQuery
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.messages import shown
from component.web.operators.models import Address, Id, PageParameters
from component.web.operators.rendering import render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, bare_jid, owner_of, routes_at
from storage.rows import Usage, UsageOrder

#: The sentence about what a form has done, by the value of the parameter `done`.
DONE = {
    "erased": "The archive is erased, with all other data of its owner.",
    "erasing": "The archive is large, so its erasure continues. Reload this page to see the rest.",
    "blanked": "The content of the message is removed.",
}

_ORDERS = (
    (UsageOrder.ACTIVITY, "Last activity"),
    (UsageOrder.SIZE, "Size"),
    (UsageOrder.MESSAGES, "Messages"),
    (UsageOrder.OWNER, "Owner"),
)

#: The greatest number of characters of the last message of a conversation.
_LAST_MAX = 160


class ListParameters(PageParameters):
    """GET {prefix}/archives."""

    part: Address = ""  #: of the JIDs of owners
    sort: UsageOrder = UsageOrder.ACTIVITY
    after: Address | None = None  #: the last owner of the page before


class OpenParameters(PageParameters):
    """GET {prefix}/open."""

    owner: Address = ""


class OverviewParameters(PageParameters):
    """GET {prefix}/archives/{owner}."""

    before: Id | None = None
    done: str = ""


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, prefix, index),
        *routes_at(web.get, f"{prefix}/archives", list_archives),
        *routes_at(web.get, f"{prefix}/open", open_archive),
        *routes_at(web.get, f"{prefix}{ARCHIVE}", overview),
    ]


async def index(request: web.Request) -> web.Response:
    """GET {prefix}: go on to the archives."""
    return see("archives")


async def list_archives(request: web.Request) -> web.Response:
    """GET {prefix}/archives: archives with their sizes, for admins; readers name an archive."""
    parameters = checked(ListParameters, body.query(request))
    return await _list(request, parameters)


async def open_archive(request: web.Request) -> web.Response:
    """GET {prefix}/open: go on to the archive that the operator has named."""
    parameters = checked(OpenParameters, body.query(request))
    try:
        if not parameters.owner:
            raise BadRequest("Enter the JID of a user or a room, such as alice@chat.example.")
        owner = bare_jid(request, parameters.owner.strip())
    except Refused as refused:
        return await _list(request, ListParameters(), refused, parameters.owner)
    return see("archives", owner)


async def overview(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}: the size of an archive, and its conversations."""
    owner = await owner_of(request)
    principal = authenticate.principal(request)
    parameters = checked(OverviewParameters, body.query(request))
    page = await request.app[keys.browser].overview(
        principal,
        owner,
        ConversationQuery(before=parameters.before, folded=True),
    )
    summaries = page.conversations.conversations
    archives = request.app[keys.administration]
    return render(
        request,
        "archive/overview.html",
        owner=owner,
        is_room=request.app[keys.hosts].is_room(owner),
        has_account_page=has_role(principal, Role.ADMIN)
        and request.app[keys.hosts].is_user(owner)
        and request.app[keys.accounts].administered is not None,
        usage=page.usage,
        is_held=archives.holds.is_held(owner),
        is_erasing=archives.erasure.is_erasing(owner),
        conversations=[
            (summary.conversation, shown(owner, summary.last, limit=_LAST_MAX))
            for summary in summaries
        ],
        is_first=parameters.before is None,
        next=None if page.conversations.complete else summaries[-1].conversation.newest,
        done=DONE.get(parameters.done),
    )


async def _list(
    request: web.Request,
    parameters: ListParameters,
    refused: Refused | None = None,
    entered: str = "",
) -> web.Response:
    principal = authenticate.principal(request)
    usages: tuple[Usage, ...] = ()
    limit = request.app[keys.pager].size(None)
    totals = None
    if has_role(principal, Role.ADMIN):
        # JIDs are in lower case.
        part = parameters.part.strip().lower()
        usages = await request.app[keys.orders].rank(
            principal, parameters.sort, part, parameters.after, limit + 1
        )
        totals = await request.app[keys.administration].totals()
    return render(
        request,
        "archive/list.html",
        refused=refused,
        entered=entered,
        usages=usages[:limit],
        totals=totals,
        orders=_ORDERS,
        sort=parameters.sort,
        part=parameters.part,
        is_first=parameters.after is None,
        next=usages[limit - 1].owner if len(usages) > limit else None,
    )
