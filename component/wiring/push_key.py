"""The file with the key of Web Push (VAPID, RFC 8292): the first start creates it."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from component.wiring import key_file

OPTION = "push.key_file"


def load(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file, which is created if it does not exist.

    Raises OSError, whose message names the file and says what to change.
    """
    content = key_file.load(path, option=OPTION, purpose="push in your name", new=_new)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise OSError(
            f"{OPTION}: {path} is no private key of the curve P-256 in PEM: remove it to have it "
            "created"
        )
    return key


def _new() -> str:
    """Return a new key in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
