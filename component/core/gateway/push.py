"""Pushes to the `push_token` of sessions: subscriptions of Web Push, and URLs of webhooks."""

from __future__ import annotations

import logging

from component.core.errors import Refused
from component.core.gateway.sessions import GatewaySession
from component.core.push.subscriptions import PushSubscriptions
from component.core.push.targets import parse_token
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
            target = parse_token(settings.push_token)
            for subscription in await self._push.list(session.jid):
                is_earlier = subscription.endpoint != target.url
                if subscription.sign_in == session.id and is_earlier:
                    await self._push.remove(session.jid, subscription.id)
            return await self._push.ensure(
                session.jid,
                session.id,
                target,
                content=content,
                events=(EventFilter.INCOMING,),
            )
        except Refused as refused:
            # Old programs have tokens of push services that are not ours. All else works.
            log.info("nothing is pushed to a session of %s: %s", session.jid, refused.message)
            return None
