"""Signatures of webhooks (Standard Webhooks, https://www.standardwebhooks.com)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64encode

#: Before a secret that is shown to its user.
PREFIX = "whsec_"

#: Standard Webhooks asks for 24 to 64 bytes.
SECRET_BYTES = 32


def new_secret() -> bytes:
    """Return a random secret."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """Return a secret as its user gets it."""
    return PREFIX + b64encode(secret).decode()


def headers(secret: bytes, id: str, body: bytes, at: int) -> dict[str, str]:
    """Return the headers that sign a body sent at a time, in seconds since the epoch."""
    signed = b".".join((id.encode(), str(at).encode(), body))
    signature = b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{signature}",
    }
