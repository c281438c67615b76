"""Access tokens: JSON Web Tokens (RFC 7519) that ejabberd accepts as passwords too.

The key is a JSON Web Key (RFC 7517) in a file that ejabberd reads as `jwt_key`. One key is in use
at a time: after a change users present their refresh tokens, which do not depend on it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

import jwt

from component.core.errors import NotAuthorized

ALGORITHM = "HS256"

#: RFC 7518 section 3.2: a key is as long as the hash, or longer.
KEY_BYTES = 32

#: A longer token is not one of ours.
MAX_LENGTH = 8192

_SHAPE = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """A symmetric key."""

    secret: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Key:
        """Return a new random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key of a JWK in JSON. Raises ValueError, which says what is wrong."""
        try:
            jwk = json.loads(text)
            kind, encoded = jwk["kty"], jwk["k"]
            secret = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError('is no JSON Web Key with "kty" and "k"') from error
        if kind != "oct":
            raise ValueError('is no symmetric key ("kty" has to be "oct")')
        if len(secret) < KEY_BYTES:
            raise ValueError(f"has a key of {len(secret)} bytes, and {KEY_BYTES} are required")
        return cls(secret)

    @property
    def id(self) -> str:
        """The thumbprint of the key (RFC 7638), the `kid` of its tokens."""
        members = f'{{"k":"{base64url(self.secret)}","kty":"oct"}}'
        return base64url(hashlib.sha256(members.encode()).digest())

    def jwk(self) -> str:
        """Return the key as a JWK in JSON."""
        members = {
            "kty": "oct",
            "alg": ALGORITHM,
            "use": "sig",
            "kid": self.id,
            "k": base64url(self.secret),
        }
        return json.dumps(members)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """The claims of a valid access token."""

    jid: str  #: bare JID of the user, prepared
    sign_in: str  #: id of the sign-in that it belongs to
    expires_at: int  #: seconds since the epoch


class ExpiredToken(NotAuthorized):
    """The access token has expired: get a new one with the refresh token."""


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, key: Key, *, lifetime_seconds: int) -> None:
        self._key = key
        self._headers = {"kid": key.id}
        self.lifetime_seconds = lifetime_seconds

    def issue(self, jid: str, sign_in: str, now: int) -> str:
        """Return a token of a user; `now` is in seconds since the epoch."""
        claims = {"jid": jid, "sid": sign_in, "iat": now, "exp": now + self.lifetime_seconds}
        return jwt.encode(claims, self._key.secret, ALGORITHM, headers=self._headers)

    def verify(self, token: str) -> AccessToken:
        """Return the claims of a token. Raises NotAuthorized, ExpiredToken."""
        try:
            if len(token) > MAX_LENGTH:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token,
                self._key.secret,
                [ALGORITHM],
                # The clock of the process that issued it may be ahead of ours.
                options={"require": ["exp", "iat", "jid", "sid"], "verify_iat": False},
            )
            return AccessToken(
                jid=str(claims["jid"]), sign_in=str(claims["sid"]), expires_at=int(claims["exp"])
            )
        except jwt.ExpiredSignatureError:
            raise ExpiredToken from None
        except (jwt.InvalidTokenError, ValueError):
            raise NotAuthorized("This is no valid access token: sign in.") from None

    def is_valid(self, text: str) -> bool:
        """Return whether a text is an access token that has not expired."""
        try:
            self.verify(text)
        except NotAuthorized:
            return False
        return True


def looks_like_token(password: str) -> bool:
    """Return whether a password has the form of a JSON Web Token."""
    return len(password) <= MAX_LENGTH and _SHAPE.fullmatch(password) is not None


def base64url(value: bytes) -> str:
    """Return unpadded base64url (RFC 7515 section 2)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()
