"""Live events of chat by polls and as Server-Sent Events: {prefix}/v1/chat/events."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web

from component.core.access.principals import User
from component.core.chat.following import place
from component.core.chat.following.live import LivePage, LiveReader
from component.core.chat.following.place import Place
from component.core.errors import BadRequest, CursorExpired, NotImplementedHere
from component.web import keys
from component.web.auth import bearer
from component.web.chat import live_json
from component.web.chat.answers import ExpiredPlace, LiveEvents
from component.web.chat.models import LiveParameters, PollParameters
from component.web.chat.requests import chat_of
from component.web.polling import poll
from component.web.server import body, event_stream
from component.web.server.limits import time_limit
from component.web.server.operation import Content, operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/events", events, allow_head=False),
        *routes_at(web.get, f"{prefix}/events/stream", follow, allow_head=False),
    ]


@operation("chat.events.list", query=PollParameters, answers={200: LiveEvents, 410: ExpiredPlace})
async def events(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/events: the oldest events behind a place, or the next ones."""
    owner, live = await reader_of(request)
    parameters = checked(PollParameters, body.parameters(request))
    max_wait = request.app[keys.settings].poll_seconds
    wait = min(parameters.wait, max_wait, bearer.seconds_left(request) or 0)
    after = place_of(parameters, None)
    try:
        if after is None:
            async with time_limit(request):
                page = LivePage(events=(), place=await live.begin(owner), complete=True)
        elif wait:
            attend(request, owner)
            page = await poll(
                request,
                owner,
                lambda: live.wait(owner, after, parameters.limit, seconds=wait),
                seconds=wait,
            )
            async with time_limit(request):
                await bearer.check(request)
        else:
            async with time_limit(request):
                page = await live.page(owner, after, parameters.limit)
    except CursorExpired as expired:
        async with time_limit(request):
            fields = await expired_fields(live, owner, expired)
        return body.json_response(fields, status=expired.status)
    async with time_limit(request):
        events_json = await live_json.events(User(owner), request.app[keys.chat], page)
    return body.json_response(
        {
            "events": events_json,
            "cursor": page.place.text(),
            "complete": page.complete,
            "max_wait": max_wait,
        }
    )


@operation(
    "chat.events.follow",
    query=LiveParameters,
    headers={"Last-Event-ID": "The cursor of the last event: goes before `after`."},
    answers={200: Content("text/event-stream"), 410: ExpiredPlace},
)
async def follow(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/chat/events/stream: events as they come, without end."""
    owner, live = await reader_of(request)
    parameters = checked(LiveParameters, bearer.stream_parameters(request))
    # A browser that reconnects repeats the query of its first request.
    after = place_of(parameters, request.headers.get("Last-Event-ID"))
    with request.config_dict[keys.stream_limit].slot(owner):
        try:
            async with time_limit(request):
                begun = await begin(live, owner, after)
        except CursorExpired as expired:
            async with time_limit(request):
                fields = await expired_fields(live, owner, expired)
            return body.json_response(fields, status=expired.status)
        texts = _texts(request, owner, begun)
        subject = f"chat of {owner}"
        return await event_stream.respond(request, texts, subject, end_level=logging.INFO)


async def pages(request: web.Request, owner: str, after: Place) -> AsyncGenerator[LivePage, None]:
    """Yield the pages behind a place without end, while the user is on line."""
    _, live = await reader_of(request)
    pause = request.app[keys.settings].stream_heartbeat_seconds
    attend(request, owner)
    async with aclosing(live.pages(owner, after, pause=pause)) as following:
        async for page in following:
            if not page.events:
                attend(request, owner)
            yield page


def attend(request: web.Request, owner: str) -> None:
    """Keep the user of a request on line."""
    presence = request.app[keys.chat].presence
    if presence is not None:
        presence.attend(owner)


async def reader_of(request: web.Request) -> tuple[str, LiveReader]:
    """Return the user who asks, and the reader. Raises Overloaded."""
    async with time_limit(request):
        user, chat = await chat_of(request)
    if chat.live is None:
        raise NotImplementedHere("There are no live events here.")
    return user.jid, chat.live


def place_of(parameters: LiveParameters, last_event_id: str | None) -> Place | None:
    """Return the place behind which events are asked for, None: the end. Raises BadRequest."""
    text = last_event_id or parameters.after
    if text is None:
        return None
    if len(text) > place.TEXT_MAX:
        raise BadRequest(f"after: a cursor has {place.TEXT_MAX} characters at most")
    return place.parse(text)


async def begin(live: LiveReader, owner: str, after: Place | None) -> Place:
    """Return the place at which a stream begins. Raises CursorExpired, Overloaded."""
    if after is None:
        return await live.begin(owner)
    await live.page(owner, after, limit=1)
    return after


async def expired_fields(
    live: LiveReader, owner: str, expired: CursorExpired
) -> dict[str, object]:
    """Return the answer to a place that is not known any more, with one that is valid."""
    valid = await live.begin(owner)
    return {
        "error": expired.condition,
        "message": expired.message,
        "status": expired.status,
        "cursor": valid.text(),
    }


async def _texts(request: web.Request, owner: str, after: Place) -> AsyncGenerator[str, None]:
    """Yield events, and the place while there are none."""
    yield f"retry: {event_stream.RETRY_MILLISECONDS}\nid: {after.text()}\n\n"
    async with aclosing(pages(request, owner, after)) as following:
        async for page in following:
            if page.events:
                events = await live_json.events(User(owner), request.app[keys.chat], page)
                yield "".join(map(_text, events))
            else:
                yield f": still here\nid: {page.place.text()}\n\n"


def _text(fields: dict[str, Any]) -> str:
    """Return an event; without an id the client keeps the one of the event before."""
    id = "" if fields["cursor"] is None else f"id: {fields['cursor']}\n"
    return f"{id}event: {fields['type']}\ndata: {orjson.dumps(fields).decode()}\n\n"
