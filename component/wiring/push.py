"""Make the parts of push from the configuration, and run them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from component.clients.vetted_addresses import VettedAddresses
from component.config import Config
from component.core.background import StartTask
from component.core.push.delivery import PushDelivery
from component.core.push.subscriptions import PushSubscriptions
from component.core.push.values import PushLimits
from component.push.sender import open_sender
from component.wiring.compose import Parts
from component.wiring.processes import push_listener
from storage.interface import Storage

#: Seconds that a stopping program waits for deliveries under way.
STOP_SECONDS = 5.0


@asynccontextmanager
async def open_push(
    config: Config, storage: Storage, parts: Parts, start: StartTask
) -> AsyncIterator[PushSubscriptions | None]:
    """Deliver events while the context is open; its value is None if push is not enabled.

    Raises OSError if the key of Web Push cannot be read.
    """
    options = config.push
    if config.tokens.key_file is None or not (options.enabled and config.public_http.enabled):
        yield None
        return
    web_push = public_key = None
    if options.key_file is not None:
        # Imported here, because a start without Web Push need not wait for pywebpush.
        from component.push import web_push as vapid
        from component.wiring import push_key

        key = push_key.load(Path(options.key_file))
        web_push = vapid.WebPush(key, options.contact or "")
        public_key = vapid.public_key(key)
    limits = PushLimits(
        per_account=options.max_per_account,
        attempts=options.attempts,
        retry_seconds=options.retry_seconds,
        retry_max_seconds=options.retry_max_seconds,
        body_bytes=options.max_body_bytes,
        parallel=options.parallel,
        dead_letters=options.max_dead_letters,
        allows_http=options.allow_http,
    )
    addresses = VettedAddresses(options.allowed_networks)
    async with open_sender(
        addresses,
        web_push,
        timeout_seconds=options.timeout_seconds,
        parallel=options.parallel,
    ) as sender:
        delivery = PushDelivery(storage.push, parts.events, sender, limits, metrics=parts.metrics)
        parts.followers.listen(delivery.changed)
        storage.processes.listen(push_listener(delivery))
        task = start("push", delivery.take_turns(storage.processes))
        try:
            yield PushSubscriptions(
                storage.push,
                parts.events,
                delivery,
                limits,
                public_key=public_key,
            )
        finally:
            delivery.stop()
            if not delivery.has_turn:
                task.cancel()
            await asyncio.wait([task], timeout=STOP_SECONDS)
            await addresses.close()
