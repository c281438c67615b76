"""Push subscriptions of the user who asks: {prefix}/v1/push-subscriptions."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.errors import NotImplementedHere
from component.core.push.subscriptions import PushSubscriptions
from component.core.xml.times import format_time
from component.web import keys
from component.web.archive.models import NoParameters
from component.web.auth.bearer import access_token
from component.web.push.answers import (
    DeadLetters,
    NewSubscription,
    PushKey,
    Replayed,
    Subscription,
    SubscriptionList,
    TestOutcome,
)
from component.web.push.models import ContentFields, ReplayFields, SubscribeFields
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import id_of, routes_at
from storage.rows import DeadLetter, PushSubscription

_PATH = "/push-subscriptions"
_ONE = f"{_PATH}/{{id}}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/push-key", public_key),
        *routes_at(web.get, f"{prefix}{_PATH}", listed),
        *routes_at(web.post, f"{prefix}{_PATH}", subscribe),
        *routes_at(web.get, f"{prefix}{_ONE}", shown),
        *routes_at(web.patch, f"{prefix}{_ONE}", change),
        *routes_at(web.delete, f"{prefix}{_ONE}", remove),
        *routes_at(web.post, f"{prefix}{_ONE}/test", test),
        *routes_at(web.post, f"{prefix}{_ONE}/replay", replay),
        *routes_at(web.get, f"{prefix}{_ONE}/dead-letters", dead_letters),
        *routes_at(web.post, f"{prefix}{_ONE}/dead-letters/replay", replay_dead_letters),
    ]


@operation("push.key", answers={200: PushKey})
async def public_key(request: web.Request) -> web.Response:
    """GET {prefix}/v1/push-key: the public key of Web Push (VAPID)."""
    checked(NoParameters, body.parameters(request))
    return body.json_response({"key": _push(request).public_key})


@operation("push.subscriptions.list", answers={200: SubscriptionList})
async def listed(request: web.Request) -> web.Response:
    """GET {prefix}/v1/push-subscriptions: the subscriptions of the user, the oldest first."""
    checked(NoParameters, body.parameters(request))
    token = access_token(request)
    rows = await _push(request).list(token.jid)
    return body.json_response({"jid": token.jid, "subscriptions": [_fields(row) for row in rows]})


@operation("push.subscriptions.create", body=SubscribeFields, answers={201: NewSubscription})
async def subscribe(request: web.Request) -> web.Response:
    """POST {prefix}/v1/push-subscriptions: subscribe a webhook or a browser."""
    checked(NoParameters, body.parameters(request))
    fields = checked(SubscribeFields, await body.fields(request))
    token = access_token(request)
    created = await _push(request).subscribe(
        token.jid,
        token.sign_in,
        fields.target(),
        content=fields.content,
        events=fields.events,
        label=fields.label,
    )
    answer = {**_fields(created.subscription), "secret": created.secret}
    return body.json_response(answer, status=201)


@operation("push.subscriptions.read", answers={200: Subscription})
async def shown(request: web.Request) -> web.Response:
    """GET {prefix}/v1/push-subscriptions/{id}: one subscription."""
    checked(NoParameters, body.parameters(request))
    row = await _push(request).get(access_token(request).jid, id_of(request))
    return body.json_response(_fields(row))


@operation("push.subscriptions.change", body=ContentFields, answers={200: Subscription})
async def change(request: web.Request) -> web.Response:
    """PATCH {prefix}/v1/push-subscriptions/{id}: change how much of an event is sent."""
    checked(NoParameters, body.parameters(request))
    fields = checked(ContentFields, await body.fields(request))
    row = await _push(request).set_content(
        access_token(request).jid, id_of(request), fields.content
    )
    return body.json_response(_fields(row))


@operation("push.subscriptions.remove", answers={204: None})
async def remove(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/push-subscriptions/{id}: send nothing more."""
    checked(NoParameters, body.parameters(request))
    await _push(request).remove(access_token(request).jid, id_of(request))
    return web.Response(status=204)


@operation("push.subscriptions.test", answers={200: TestOutcome})
async def test(request: web.Request) -> web.Response:
    """POST {prefix}/v1/push-subscriptions/{id}/test: send a test, and report its outcome."""
    checked(NoParameters, body.parameters(request))
    outcome = await _push(request).test(access_token(request).jid, id_of(request))
    return body.json_response(
        {"accepted": outcome.is_accepted, "failure": outcome.failure or None}
    )


@operation("push.subscriptions.replay", body=ReplayFields, answers={202: Subscription})
async def replay(request: web.Request) -> web.Response:
    """POST {prefix}/v1/push-subscriptions/{id}/replay: send the events behind a place again."""
    checked(NoParameters, body.parameters(request))
    fields = checked(ReplayFields, await body.fields(request))
    row = await _push(request).replay(access_token(request).jid, id_of(request), fields.after)
    return body.json_response(_fields(row), status=202)


@operation("push.dead_letters.list", answers={200: DeadLetters})
async def dead_letters(request: web.Request) -> web.Response:
    """GET {prefix}/v1/push-subscriptions/{id}/dead-letters: events that were given up."""
    checked(NoParameters, body.parameters(request))
    letters = await _push(request).dead_letters(access_token(request).jid, id_of(request))
    return body.json_response({"dead_letters": [_letter(letter) for letter in letters]})


@operation("push.dead_letters.replay", answers={202: Replayed})
async def replay_dead_letters(request: web.Request) -> web.Response:
    """POST {prefix}/v1/push-subscriptions/{id}/dead-letters/replay: send all of them again."""
    checked(NoParameters, body.parameters(request))
    count = await _push(request).replay_dead_letters(access_token(request).jid, id_of(request))
    return body.json_response({"replayed": count}, status=202)


def _push(request: web.Request) -> PushSubscriptions:
    """Return the subscriptions of users. Raises NotImplementedHere if there are none."""
    push = request.app.get(keys.push)
    if push is None:
        raise NotImplementedHere("No events are pushed here (push.enabled is false).")
    return push


def _fields(row: PushSubscription) -> dict[str, Any]:
    """Return a subscription, without its secrets."""
    return {
        "id": row.id,
        "type": row.kind.value,
        "url": row.endpoint,
        "label": row.label,
        "content": row.content,
        "events": list(row.events),
        "created": format_time(row.created_at),
        "cursor": row.cursor,
        "delivered": format_time(row.delivered_at) if row.delivered_at else None,
        "attempts": row.attempts,
        "failure": row.failure or None,
        "retry": format_time(row.retry_at) if row.retry_at else None,
    }


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "event_id": letter.event_id,
        "type": letter.type,
        "time": format_time(letter.at),
        "attempts": letter.attempts,
        "failure": letter.failure,
        "waiting": letter.is_waiting,
    }
