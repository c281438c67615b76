"""Access tokens: JSON Web Tokens (RFC 7519) that ejabberd accepts as passwords too.

The key is a JSON Web Key (RFC 7517) in a file that ejabberd reads as `jwt_key`. One key is in use
at a time: after a change users present their refresh tokens, which do not depend on it.

PyJWT is imported where it is used: it takes a twentieth of a start, and many programs have no key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from component.core.errors import NotAuthorized

ALGORITHM = "HS256"

#: RFC 7518 section 3.2: a key is as long as the hash, or longer.
KEY_BYTES = 32

#: A longer token is not one of ours.
MAX_LENGTH = 8192

_BASE64URL = re.compile(r"[\w-]*", re.ASCII)

_SHAPE = re.compile(r"[\w-]+\.[\w-]*\.[\w-]*", re.ASCII)


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
            algorithm = jwk.get("alg", ALGORITHM)
            # Python ignores other characters, and ejabberd does not.
            if _BASE64URL.fullmatch(encoded) is None:
                raise ValueError("is not base64url")
            secret = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError('is no JSON Web Key with "kty" and "k"') from error
        if kind != "oct":
            raise ValueError('is no symmetric key ("kty" has to be "oct")')
        if algorithm != ALGORITHM:
            raise ValueError(f'is a key for another algorithm ("alg" has to be "{ALGORITHM}")')
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
        import jwt

        return jwt.encode(claims, self._key.secret, ALGORITHM, headers=self._headers)

    def verify(self, token: str) -> AccessToken:
        """Return the claims of a token. Raises NotAuthorized, ExpiredToken."""
        try:
            claims = self._claims(token)
            return AccessToken(
                jid=str(claims["jid"]), sign_in=str(claims["sid"]), expires_at=int(claims["exp"])
            )
        except ValueError:
            raise NotAuthorized("This is no valid access token: sign in.") from None

    def is_own(self, text: str) -> bool:
        """Return whether a text is an access token with our signature, expired or not."""
        try:
            self._claims(text, verify_exp=False)
        except ValueError:
            return False
        return True

    def session_token(self, id: str) -> str:
        """Return the token of a session of the REST gateway: 128 bits in hexadecimal.

        It follows from the id and the key, so a program that starts the same session again gets
        the same token, and the store needs none.
        """
        return hmac.digest(self._key.secret, f"gateway session {id}".encode(), "sha256").hex()[:32]

    def signature(self, text: str) -> str:
        """Return a signature of a text by the key: 128 bits in hexadecimal."""
        return hmac.digest(self._key.secret, f"signed text {text}".encode(), "sha256").hex()[:32]

    def _claims(self, token: str, *, verify_exp: bool = True) -> dict[str, Any]:
        """Return the claims of a token. Raises ExpiredToken, ValueError."""
        import jwt

        if len(token) > MAX_LENGTH:
            raise ValueError("too long")
        try:
            return jwt.decode(
                token,
                self._key.secret,
                [ALGORITHM],
                options={
                    "require": ["exp", "iat", "jid", "sid"],
                    "verify_exp": verify_exp,
                    # The clock of the process that issued it may be ahead of ours.
                    "verify_iat": False,
                },
            )
        except jwt.ExpiredSignatureError:
            raise ExpiredToken from None
        except jwt.InvalidTokenError as error:
            raise ValueError(str(error)) from None


def is_token(text: str) -> bool:
    """Return whether a text is a JSON Web Token of any issuer, as no password is by chance."""
    if _SHAPE.fullmatch(text) is None:
        return False
    import jwt

    try:
        return "alg" in jwt.get_unverified_header(text)
    except (jwt.InvalidTokenError, ValueError):
        return False


def base64url(value: bytes) -> str:
    """Return unpadded base64url (RFC 7515 section 2)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()
