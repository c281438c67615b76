"""Archives over Remote Data: GET and POST /api/archive."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession

from component.core.xml.times import format_time, now
from support.ejabberd import Account
from support.muniment import Muniment


def session(muniment: Muniment) -> ClientSession:
    """Return an HTTP session that sends the secret."""
    return ClientSession(muniment.url, headers={"X-Api-Key": muniment.secret})


def path(muniment: Muniment, account: Account) -> str:
    """Return the path of the archives of a user's host; the first one needs no name."""
    named = "" if account.host == muniment.hosts[0] else f"/{account.host}"
    return f"/api{named}/archive"


def incoming(owner: Account, body: str) -> dict[str, str]:
    """Return the fields by which a program posts a message that a user has received now."""
    return {
        "username": owner.user,
        "peer": "peer",
        "direction": "recv",
        "body": body,
        "timestamp": format_time(now()),
    }


async def read_all(
    muniment: Muniment, account: Account, *, limit: int = 50
) -> list[dict[str, Any]]:
    """Return a whole archive, oldest message first."""
    items: list[dict[str, Any]] = []
    parameters = {"username": account.user, "limit": str(limit)}
    async with session(muniment) as http:
        while True:
            async with http.get(path(muniment, account), params=parameters) as answer:
                assert answer.status == 200, await answer.text()
                page = await answer.json()
            items += page["archive"]
            if page["complete"]:
                assert page["count"] >= len(page["archive"])
                return items
            parameters["after"] = page["archive"][-1]["timestamp"]
