"""Targets of subscriptions: URLs of webhooks, and subscriptions as browsers give them."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from component.core.errors import BadRequest
from storage.rows import PushKind

#: Longer URLs are refused.
URL_MAX = 2048

#: RFC 8291 section 3.2: an authentication secret has 16 bytes.
AUTH_BYTES = 16

_BASE64URL = re.compile(r"[\w-]+={0,2}", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A receiver that a user names."""

    kind: PushKind
    url: str = field(repr=False)
    public_key: bytes = field(default=b"", repr=False)  #: of Web Push
    auth: bytes = field(default=b"", repr=False)  #: of Web Push


def webhook(url: str) -> Target:
    """Return the target of a webhook. Raises BadRequest, which does not quote the URL."""
    _check(url, "url")
    return Target(kind=PushKind.WEBHOOK, url=url)


def web_push(endpoint: str, public_key: str, auth: str) -> Target:
    """Return the target of Web Push: `endpoint`, `p256dh` and `auth` of a browser.

    Raises BadRequest.
    """
    # Imported here, because a start need not wait for it.
    from cryptography.hazmat.primitives.asymmetric import ec

    _check(endpoint, "endpoint")
    key, secret = _decoded(public_key), _decoded(auth)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        raise BadRequest("keys: p256dh is no public key of the curve P-256") from None
    if len(secret) != AUTH_BYTES:
        raise BadRequest(f"keys: auth has to be {AUTH_BYTES} bytes in base64url")
    return Target(kind=PushKind.WEB_PUSH, url=endpoint, public_key=key, auth=secret)


def parse_token(token: str) -> Target:
    """Return the target that one text names: a URL, or the subscription of a browser in JSON.

    Raises BadRequest.
    """
    if not token.lstrip().startswith("{"):
        return webhook(token)
    try:
        fields = json.loads(token)
        endpoint, keys = fields["endpoint"], fields["keys"]
        public_key, auth = keys["p256dh"], keys["auth"]
    except (ValueError, KeyError, TypeError, RecursionError):
        endpoint = public_key = auth = None
    if not (isinstance(endpoint, str) and isinstance(public_key, str) and isinstance(auth, str)):
        raise BadRequest(
            'expected a URL, or JSON such as {"endpoint": "https://…", "keys": {"p256dh": "…", '
            '"auth": "…"}}'
        )
    return web_push(endpoint, public_key, auth)


def check_scheme(target: Target, *, allows_http: bool) -> None:
    """Raise BadRequest if a URL begins with http:, unless that is allowed."""
    if urlsplit(target.url).scheme != "https" and not allows_http:
        raise BadRequest("the URL has to begin with https:")


def _check(url: str, name: str) -> None:
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or len(url) > URL_MAX or not _PRINTABLE.fullmatch(url):
        raise BadRequest(
            f"{name}: expected a URL, such as https://example.org/hook, of up to {URL_MAX} "
            "characters"
        )
    if "@" in parts.netloc or "#" in url:
        raise BadRequest(f"{name}: expected a URL without a user, a password and a fragment")


def _decoded(text: str) -> bytes:
    """Return the bytes of base64url, b"" if a text is none."""
    if not _BASE64URL.fullmatch(text):
        return b""
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        return b""
