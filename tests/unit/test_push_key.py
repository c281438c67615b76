"""The key of Web Push: its file, its command, and the options that go with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.configuration import REQUIRED, problems, read, write

from component.cli import main
from component.push.web_push import public_key
from component.wiring import push_key

WITH_PUSH = f'{REQUIRED}[push]\nkey_file = "push.pem"\ncontact = "mailto:ann@chat.example"\n'


def test_command_creates_the_key_and_prints_its_public_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, WITH_PUSH)

    assert main(["push-key", "--config", str(config)]) == 0
    printed = capsys.readouterr().out
    assert main(["push-key", "--config", str(config)]) == 0

    assert capsys.readouterr().out == printed
    path = tmp_path / "push.pem"
    assert printed.strip() == public_key(push_key.load(path))
    assert len(printed.strip()) == 87
    assert path.stat().st_mode & 0o777 == 0o600


def test_command_without_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push-key", "--config", str(write(tmp_path, REQUIRED))]) == 78

    assert "push.key_file is not set" in capsys.readouterr().err


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"secret\xff",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ec.generate_private_key(ec.SECP256R1()))[:100],
    ],
    ids=["empty", "no text", "another curve", "cut"],
)
def test_unfit_key_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "push.pem"
    path.write_bytes(content)

    with pytest.raises(OSError, match=r"push\.key_file: .*push\.pem is no private key") as refusal:
        push_key.load(path)

    assert "secret" not in str(refusal.value)


def test_key_in_a_missing_folder_is_refused_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"push\.key_file: .*: No such file"):
        push_key.load(tmp_path / "nothing/push.pem")


def test_key_needs_a_contact(tmp_path: Path) -> None:
    text = REQUIRED + '[push]\nkey_file = "push.pem"\n'

    assert problems(tmp_path, text) == [
        "push.contact: required, but missing (push.key_file is set)"
    ]


def test_key_without_sign_in_is_warned_about(tmp_path: Path) -> None:
    config = read(tmp_path, WITH_PUSH)

    assert "push.key_file has no effect while tokens.key_file is not set" in config.warnings


@pytest.mark.parametrize(
    "contact", ["mailto:ann@chat.example", "https://chat.example/contact", "https://chat.example"]
)
def test_contact_is_an_address_or_a_url(tmp_path: Path, contact: str) -> None:
    config = read(tmp_path, f'{REQUIRED}[push]\ncontact = "{contact}"\n')

    assert config.push.contact == contact


@pytest.mark.parametrize("contact", ["ann@chat.example", "mailto:ann", "http://chat.example", ""])
def test_other_contact_is_refused(tmp_path: Path, contact: str) -> None:
    [problem] = problems(tmp_path, f'{REQUIRED}[push]\ncontact = "{contact}"\n')

    assert problem.startswith("push.contact: expected mailto:ADDRESS or an https URL")
