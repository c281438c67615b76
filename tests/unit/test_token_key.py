"""The file of the key of access tokens."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from component.core.tokens.access_tokens import Key
from component.wiring import token_key


def test_missing_key_is_created_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.json"

    key = token_key.load(path)

    assert token_key.load(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_shared_key_is_read_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key.json"
    key = token_key.load(path)
    path.chmod(0o640)

    assert token_key.load(path) == key
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_key_that_everybody_can_read_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key.json"
    token_key.load(path)
    path.chmod(0o644)

    token_key.load(path)

    assert f"chmod o= {path}" in caplog.text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no JSON Web Key"),
        (b"\xff", "is no JSON Web Key|codec"),
        (b'{"kty": "oct", "k": "c2VjcmV0"}', "has a key of 6 bytes"),
        (Key(b"secret" * 6).jwk().encode() * 100, "is no JSON Web Key"),
    ],
)
def test_malformed_key_is_refused_without_being_shown(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(content)

    with pytest.raises(OSError, match=problem) as refusal:
        token_key.load(path)

    assert str(path) in str(refusal.value)
    assert "c2Vj" not in str(refusal.value)


def test_key_in_a_missing_folder_is_refused_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"tokens\.key_file: .*key\.json: No such file"):
        token_key.load(tmp_path / "nothing/key.json")
