"""Receivers of push: a webhook that checks signatures, and a browser that decrypts Web Push."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from secrets import token_bytes
from typing import Any

import http_ece
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from component.clients.vetted_addresses import VettedAddresses
from component.core.push.delivery import PushDelivery
from component.core.push.subscriptions import PushSubscriptions
from component.core.push.values import PushLimits
from component.core.tokens.access_tokens import base64url
from component.push.sender import open_sender
from component.push.web_push import WebPush, public_key
from component.web.server.settings import Services, events_of
from support.http_services import SETTINGS
from support.ports import LOOPBACK

SECONDS = 30.0

CONTACT = "mailto:operator@example.org"

#: Receivers of tests are on this machine, without TLS.
LIMITS = PushLimits(allows_http=True, retry_seconds=0.05, retry_max_seconds=0.1, attempts=3)


@dataclass(frozen=True)
class Request:
    """A request that a receiver got."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body of a webhook."""
        return json.loads(self.body)  # type: ignore[no-any-return]

    @property
    def text(self) -> str | None:
        """The text of the message in a webhook."""
        message = self.json["data"].get("message")
        return None if message is None else message["body"]


@dataclass
class Receiver:
    """A server to which events are pushed. Each path is a receiver of its own."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    #: statuses of the next answers, and that of all further ones
    statuses: deque[int] = field(default_factory=deque)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: by path, what a request waits for
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int, path: str | None = None) -> list[Request]:
        """Return the requests, once there are so many, of a path or of all."""
        async with asyncio.timeout(SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.of(path)) >= count)
        return self.of(path)

    def of(self, path: str | None) -> list[Request]:
        """Return the requests to a path."""
        return [request for request in self.requests if path in (None, request.path)]

    async def answer(self, request: web.Request) -> web.Response:
        """Take a request."""
        body = await request.read()
        async with self._changed:
            self.requests.append(Request(request.path, dict(request.headers), body))
            self._changed.notify_all()
        if gate := self.gates.get(request.path):
            await gate.wait()
        status = self.statuses.popleft() if self.statuses else self.status
        return web.Response(status=status, headers=self.headers)


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, port)
    await site.start()
    receiver.url = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        for gate in receiver.gates.values():
            gate.set()
        await runner.cleanup()


class Browser:
    """A browser that has subscribed to push."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = token_bytes(16)

    @property
    def keys(self) -> dict[str, str]:
        """The public key and the secret of the subscription (RFC 8291 section 3.2)."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": base64url(point), "auth": base64url(self._auth)}

    @property
    def subscription(self) -> dict[str, Any]:
        """What `PushSubscription.toJSON()` returns."""
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": self.keys}

    def decrypt(self, request: Request) -> dict[str, Any]:
        """Return what a push says (RFC 8291)."""
        assert request.headers["Content-Encoding"] == "aes128gcm"
        assert len(request.body) <= 4096
        text = http_ece.decrypt(
            request.body, private_key=self._key, auth_secret=self._auth, version="aes128gcm"
        )
        return json.loads(text)  # type: ignore[no-any-return]


def vapid_claims(request: Request, key: str) -> dict[str, Any]:
    """Return the claims of a request that has a right signature of VAPID by a key (RFC 8292)."""
    scheme, _, rest = request.headers["Authorization"].partition(" ")
    parameters = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert (scheme, parameters["k"]) == ("vapid", key)
    point = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    return jwt.decode(
        parameters["t"],
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point),
        algorithms=["ES256"],
        options={"verify_aud": False},
    )


def has_right_signature(request: Request, secret: str) -> bool:
    """Return whether a webhook is signed with a secret, at the present time."""
    id, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id}.{at}.".encode() + request.body, hashlib.sha256)
    expected = f"v1,{base64.b64encode(digest).decode()}"
    is_now = abs(time.time() - int(at)) < 60
    return is_now and hmac.compare_digest(request.headers["webhook-signature"], expected)


@asynccontextmanager
async def pushing(
    services: Services,
    *,
    limits: PushLimits = LIMITS,
    key: ec.EllipticCurvePrivateKey | None = None,
    timeout_seconds: float = 5.0,
) -> AsyncIterator[Services]:
    """Deliver events while the context is open; its value is services with push."""
    events = events_of(SETTINGS, services)
    addresses = VettedAddresses([ip_network("127.0.0.0/8")])
    async with open_sender(
        addresses,
        None if key is None else WebPush(key, CONTACT),
        timeout_seconds=timeout_seconds,
        parallel=limits.parallel,
    ) as sender:
        delivery = PushDelivery(services.storage.push, events, sender, limits)
        services.followers.listen(delivery.changed)
        task = asyncio.create_task(delivery.run())
        subscriptions = PushSubscriptions(
            services.storage.push,
            events,
            delivery,
            limits,
            public_key=None if key is None else public_key(key),
        )
        try:
            yield replace(services, push=subscriptions)
        finally:
            delivery.stop()
            await task
            await addresses.close()
