"""Access tokens: JSON Web Tokens, and the key that signs them against forgery."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64encode

import jwt
import pytest

from component.core.errors import NotAuthorized
from component.core.tokens.access_tokens import (
    KEY_BYTES,
    AccessTokens,
    ExpiredToken,
    Key,
    is_token,
)

KEY = Key(b"k" * KEY_BYTES)
TOKENS = AccessTokens(KEY, lifetime_seconds=600)
ALICE = "alice@example.org"


def encoded(claims: dict[str, object], key: bytes = KEY.secret, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm)


def claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    return {"jid": ALICE, "sid": "s", "iat": now, "exp": now + 60} | changes


def is_valid(token: str) -> bool:
    try:
        TOKENS.verify(token)
    except NotAuthorized:
        return False
    return True


def with_header(header: bytes) -> str:
    return f"{urlsafe_b64encode(header).decode().rstrip('=')}.e30.AAAA"


def test_issued_token_has_the_claims_that_ejabberd_reads() -> None:
    now = int(time.time())

    token = TOKENS.issue(ALICE, "s", now)

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": KEY.id}
    assert jwt.decode(token, KEY.secret, ["HS256"]) == {
        "jid": ALICE,
        "sid": "s",
        "iat": now,
        "exp": now + 600,
    }


def test_issued_token_is_verified() -> None:
    token = TOKENS.verify(TOKENS.issue(ALICE, "s", int(time.time())))

    assert (token.jid, token.sign_in) == (ALICE, "s")


def test_token_of_a_process_whose_clock_is_ahead_is_verified() -> None:
    assert is_valid(TOKENS.issue(ALICE, "s", int(time.time()) + 100))


def test_expired_token_is_refused_as_such() -> None:
    with pytest.raises(ExpiredToken):
        TOKENS.verify(TOKENS.issue(ALICE, "s", int(time.time()) - 601))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "no token",
        "a.b.c",
        encoded(claims(), key=b"x" * KEY_BYTES),
        encoded(claims(), algorithm="HS384", key=KEY.secret * 2),
        jwt.encode(claims(), None, "none"),
        encoded({name: value for name, value in claims().items() if name != "exp"}),
        encoded({name: value for name, value in claims().items() if name != "sid"}),
        encoded({name: value for name, value in claims().items() if name != "jid"}),
        encoded(claims(exp="never")),
        "e" * 100_000,
        "\udcff.a.b",
        "é.a.b",
        with_header(b"[" * 6000),
        with_header(b'{"a":' * 1200),
        with_header(b"1" * 5000),
        with_header(b'{"alg": 1e999}'),
        with_header(b'{"alg": ["HS256"], "kid": {}}'),
        with_header(b'{"alg": "HS256", "kid": 7}'),
        with_header(b'{"alg": "HS256", "kid": "../../dev/null"}'),
        with_header(b'{"alg": "HS256", "jwk": {"kty": "oct", "k": ""}}'),
        with_header(b'{"alg": "HS256", "b64": false, "crit": ["b64"]}'),
        with_header(b"\xff\xfe"),
    ],
)
def test_token_that_we_have_not_issued_is_refused(token: str) -> None:
    with pytest.raises(NotAuthorized) as refusal:
        TOKENS.verify(token)

    assert "token" in refusal.value.message
    assert token[:20] not in refusal.value.message or not token


def test_change_of_a_character_of_the_signature_makes_a_token_invalid() -> None:
    token = TOKENS.issue(ALICE, "s", int(time.time()))
    place = token.rindex(".") + 1
    other = "A" if token[place] != "A" else "B"

    assert is_valid(token)
    assert not is_valid(f"{token[:place]}{other}{token[place + 1 :]}")


def test_generated_key_is_read_back_from_its_jwk() -> None:
    key = Key.generate()

    assert Key.parse(key.jwk()) == key
    assert json.loads(key.jwk())["kid"] == key.id
    assert key.id != Key.generate().id


def test_id_of_a_key_is_its_thumbprint() -> None:
    """RFC 7638 section 3: the hash of the required members in lexical order."""
    k = urlsafe_b64encode(KEY.secret).rstrip(b"=").decode()
    digest = hashlib.sha256(f'{{"k":"{k}","kty":"oct"}}'.encode()).digest()

    assert urlsafe_b64encode(digest).rstrip(b"=").decode() == KEY.id


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON Web Key"),
        ("[]", "no JSON Web Key"),
        ('{"kty": "oct"}', "no JSON Web Key"),
        ('{"kty": "oct", "k": 7}', "no JSON Web Key"),
        ('{"kty": "RSA", "k": "AAAA"}', '"kty" has to be "oct"'),
        (Key(b"\xff" * 32).jwk().replace("_", "/"), "no JSON Web Key"),
        (KEY.jwk().replace("HS256", "HS512"), '"alg" has to be "HS256"'),
        ('{"kty": "oct", "k": "AAAA"}', "a key of 3 bytes, and 32 are required"),
    ],
)
def test_text_that_is_no_key_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Key.parse(text)


def test_key_is_not_shown_by_its_representation() -> None:
    assert "kkkk" not in repr(KEY)


def test_token_with_our_signature_is_our_own_even_if_it_has_expired() -> None:
    now = int(time.time())

    assert TOKENS.is_own(TOKENS.issue(ALICE, "s", now))
    assert TOKENS.is_own(TOKENS.issue(ALICE, "s", now - 10_000))
    for text in ("a.b.c", encoded(claims(), key=b"x" * KEY_BYTES), "e" * 100_000, "\udcff.a.b"):
        assert not TOKENS.is_own(text)


def test_token_of_any_issuer_is_a_token() -> None:
    assert is_token(TOKENS.issue(ALICE, "s", 0))
    assert is_token(encoded({}, key=b"x" * KEY_BYTES))
    assert is_token(jwt.encode({}, None, "none"))


@pytest.mark.parametrize(
    "password",
    [
        "",
        "pencil",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "a b.c.d",
        "ä.b.c",
        "a.b.c\n",
        with_header(b"{}"),
        with_header(b"[" * 6000),
    ],
)
def test_other_passwords_are_no_tokens(password: str) -> None:
    assert not is_token(password)
