"""Pushes to the `push_token` of sessions: subscriptions of Web Push, and URLs of webhooks."""

from __future__ import annotations

import logging

from component.core.errors import BadRequest, Refused
from component.core.gateway.sessions import GatewaySession
from component.core.push.subscriptions import PushSubscriptions
from component.core.push.targets import Target, parse_token
from component.core.push.values import Content, EventFilter

log = logging.getLogger(__name__)


class GatewayPush:
    """`core.gateway.sessions.Push` over push subscriptions, which end with their sign-in."""

    def __init__(self, push: PushSubscriptions) -> None:
        self._push = push

    async def subscribe(self, session: GatewaySession) -> str | None:
        settings = session.settings
        content = Content.TEXT if settings.should_send_message_body else Content.NOTHING
        try:
            target = _target(settings.push_token)
            for subscription in await self._push.list(session.jid):
                is_earlier = target is None or subscription.endpoint != target.url
                if subscription.sign_in == session.id and is_earlier:
                    await self._push.remove(session.jid, subscription.id)
            if target is None:
                log.info("the push token of a session of %s is no place to push to", session.jid)
                return None
            return await self._push.ensure(
                session.jid,
                session.id,
                target,
                content=content,
                events=(EventFilter.INCOMING,),
            )
        except Refused as refused:
            log.info("nothing is pushed to a session of %s: %s", session.jid, refused.message)
            return None


def _target(push_token: str) -> Target | None:
    """Return the place to push to, None for tokens of push services that old programs use."""
    try:
        return parse_token(push_token)
    except BadRequest:
        return None
