"""Requests of Web Push (RFC 8030): encrypted for the browser (RFC 8291), signed by us (RFC 8292).

pywebpush encrypts and py-vapid signs. Their own HTTP clients are not used: one blocks the event
loop, and neither vets addresses.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from pywebpush import WebPusher

from storage.rows import PushSubscription

#: Seconds for which a push service keeps an event for a browser that is not reachable (RFC 8030
#: section 5.2). Later the program finds the event in the archive.
TTL_SECONDS = 7 * 24 * 3600

#: Lifetime of a signature in seconds; RFC 8292 section 2 allows a day.
SIGNATURE_SECONDS = 12 * 3600


class WebPush:
    """Makes requests of Web Push."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str) -> None:
        """`contact` is a URL at which the owner of a push service reaches the operator."""
        self._vapid = Vapid02(key)
        self._contact = contact

    def request(
        self, subscription: PushSubscription, body: bytes, at: int
    ) -> tuple[dict[str, str], bytes]:
        """Return the headers and the encrypted body of a request, at a time in seconds."""
        pusher = WebPusher(
            {
                "endpoint": subscription.endpoint,
                "keys": {
                    "p256dh": _base64url(subscription.public_key),
                    "auth": _base64url(subscription.secret),
                },
            }
        )
        url = urlsplit(subscription.endpoint)
        claims = {
            "aud": f"{url.scheme}://{url.netloc}",
            "exp": at + SIGNATURE_SECONDS,
            "sub": self._contact,
        }
        headers = {
            **self._vapid.sign(claims),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_SECONDS),
            "Urgency": "normal",
        }
        return headers, pusher.encode(body, "aes128gcm")["body"]


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the public key of VAPID, as browsers take it for `applicationServerKey`."""
    return _base64url(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
