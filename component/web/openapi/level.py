"""The level of the APIs: a number that rises when a client of the level before may break."""

from __future__ import annotations

from aiohttp import web

#: Changes are in CHANGELOG.md. What is added, such as a key of an answer, does not raise it.
API_LEVEL = 1

HEADER = "Muniment-API-Level"


async def name_level(_: web.Request, response: web.StreamResponse) -> None:
    """Have every response name the level."""
    response.headers[HEADER] = str(API_LEVEL)
