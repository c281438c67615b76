"""Verifiers of passwords in both formats, as their RFCs define them."""

from __future__ import annotations

import hmac
from base64 import b64decode
from hashlib import new

import pytest

from component.core.accounts import verifiers
from component.core.accounts.passwords import MAX_BYTES, Passwords, prepare
from component.core.accounts.saslprep import saslprep
from component.core.errors import BadRequest

KINDS = ["argon2id", "scram-sha-1", "scram-sha-256", "scram-sha-512"]

# The examples of RFC 5802 section 5 and RFC 7677 section 3 for the password "pencil": the stored
# verifier, the signed messages, the proof of the client, the signature of the server.
SHA_1 = (
    "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
    "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
    "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
SHA_256 = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)


@pytest.mark.parametrize("kind", KINDS)
async def test_verifier_accepts_its_password_only(kind: str) -> None:
    passwords = Passwords(kind)
    verifier = await passwords.verifier("pencil")

    assert await passwords.matches(verifier, "pencil")
    assert not await passwords.matches(verifier, "Pencil")
    assert not await passwords.matches(verifier, "")
    assert "pencil" not in verifier


@pytest.mark.parametrize("kind", KINDS)
async def test_same_password_has_different_verifiers(kind: str) -> None:
    passwords = Passwords(kind)

    assert await passwords.verifier("pencil") != await passwords.verifier("pencil")


@pytest.mark.parametrize("kind", KINDS)
async def test_verifiers_of_all_formats_are_checked(kind: str) -> None:
    verifier = await Passwords(kind).verifier("pencil")

    for new_kind in KINDS:
        passwords = Passwords(new_kind)
        assert await passwords.matches(verifier, "pencil")
        assert passwords.is_current(verifier) == (new_kind == kind)


@pytest.mark.parametrize("example", [SHA_1, SHA_256], ids=["RFC 5802", "RFC 7677"])
def test_scram_verifier_serves_the_examples_of_the_rfcs(
    example: tuple[str, str, str, str],
) -> None:
    verifier, signed, proof, signature = example
    assert verifiers.matches(verifier, "pencil")
    assert not verifiers.matches(verifier, "pencils")

    # The verifier is enough to serve the exchange of the example.
    name = verifier.split("$")[0].removeprefix("SCRAM-").replace("-", "").lower()
    stored, server = map(b64decode, verifier.rpartition("$")[2].split(":"))
    of_client = hmac.digest(stored, signed.encode(), name)
    client_key = bytes(a ^ b for a, b in zip(b64decode(proof), of_client, strict=True))
    assert new(name, client_key).digest() == stored
    assert hmac.digest(server, signed.encode(), name) == b64decode(signature)


def test_verifier_of_another_cost_is_not_current() -> None:
    assert not verifiers.is_current(
        verifiers.make("scram-sha-256", "pencil", iterations=4096), "scram-sha-256"
    )
    assert not Passwords().is_current("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$" + "A" * 43)


@pytest.mark.parametrize(
    "verifier",
    [
        "",
        "pencil",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$!$!",
        "SCRAM-SHA-256$4096:c2FsdA==$",
        SHA_1[0].replace("SHA-1", "SHA-3"),
        SHA_1[0].replace("4096", "0"),
        SHA_1[0].replace("4096", "99999999"),
        SHA_1[0].replace("bf92", "bf9"),
    ],
)
async def test_invalid_verifier_is_refused(verifier: str) -> None:
    with pytest.raises(ValueError, match="not a verifier"):
        await Passwords("scram-sha-1").matches(verifier, "pencil")


@pytest.mark.parametrize(
    ("typed", "compared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
    ],
)
def test_saslprep_maps_as_in_the_examples_of_rfc_4013(typed: str, compared: str) -> None:
    """RFC 4013 section 3, examples 1 to 5."""
    assert saslprep(typed) == prepare(typed) == compared


@pytest.mark.parametrize("typed", ["\u0007", "\u0627\u0031"])
def test_saslprep_refuses_the_examples_of_rfc_4013(typed: str) -> None:
    """RFC 4013 section 3, examples 6 and 7: a prohibited character, a bidirectional check."""
    with pytest.raises(ValueError, match=r"SASLprep forbids|right to left"):
        saslprep(typed)
    with pytest.raises(BadRequest, match=r"^The password (has|mixes) .*\.$"):
        prepare(typed)


@pytest.mark.parametrize(
    ("typed", "compared"),
    [
        ("a\u00a0b", "a b"),
        ("e\u0301", "\u00e9"),
        ("\U0001f511", "\U0001f511"),
        ("\u0627\u0031\u0628", "\u0627\u0031\u0628"),
    ],
)
def test_spaces_composition_and_unassigned_characters_are_prepared(
    typed: str, compared: str
) -> None:
    assert saslprep(typed) == compared


@pytest.mark.parametrize(
    "password", ["", "\u00ad", "a\u0007", "a\nb", "\ud800", "x" * (MAX_BYTES + 1), "é" * MAX_BYTES]
)
async def test_impossible_password_is_refused(password: str) -> None:
    passwords = Passwords("scram-sha-1")

    with pytest.raises(BadRequest) as refused:
        await passwords.verifier(password)
    assert not password.strip() or password not in refused.value.message
    assert not await passwords.matches(passwords.decoy, password)
