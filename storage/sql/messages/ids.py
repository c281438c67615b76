"""Public ids: a keyed permutation of (owner, sequence), so they need no column and no index.

An id is one AES block, written as 22 characters. Without the key nobody can tell from an id the
next id, the number of ids, or the owner of the archive (XEP-0313 section 3.1 and XEP-0359 section
5 ask for unpredictable ids). An id decodes to its owner, so `decode` recognises the ids of other
archives without a query.
"""

from __future__ import annotations

import struct
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

KEY_BYTES = 32
BLOCK_BYTES = 16
ID_CHARACTERS = 22
FILLED_CHARACTERS = 24

_BLOCK = struct.Struct(">QQ")
_BYTES = struct.Struct(f"{BLOCK_BYTES}s")
_PADDING = "=="
_FILLING = b"\0\0"


class _Ciphers(threading.local):
    """The contexts of a thread, because two threads cannot use one at the same moment.

    Whole blocks leave no state in them, so they serve for all ids.
    """

    def __init__(self, cipher: Cipher[ECB]) -> None:
        self.encryptor, self.decryptor = cipher.encryptor(), cipher.decryptor()


class Ids:
    """Makes and reads the ids of one store."""

    def __init__(self, key: bytes) -> None:
        # ECB is right here: each block is a different pair, and equal pairs have equal ids.
        self._ciphers = _Ciphers(Cipher(AES(key), ECB()))  # noqa: S305
        self._key = key

    def encode(self, owner: int, sequences: Sequence[int]) -> list[str]:
        """Return the ids of messages of one owner, in the same order."""
        count = len(sequences)
        pairs = [owner] * (2 * count)
        pairs[1::2] = sequences
        blocks = self._ciphers.encryptor.update(struct.pack(f">{2 * count}Q", *pairs))
        # With filling to whole groups of three bytes, one call encodes all ids.
        filled = _FILLING.join([*chain.from_iterable(_BYTES.iter_unpack(blocks)), b""])
        text = urlsafe_b64encode(filled).decode()
        return [
            text[start : start + ID_CHARACTERS] for start in range(0, len(text), FILLED_CHARACTERS)
        ]

    def digest(self, text: str) -> bytes:
        """Return a digest that tells nobody without the key what the text is."""
        return blake2b(text.encode(), digest_size=BLOCK_BYTES, key=self._key).digest()

    def decode(self, owner: int, id: str) -> int | None:
        """Return the sequence of an id, None if it is not an id of this owner."""
        try:
            block = urlsafe_b64decode(id + _PADDING)
        except (NotBase64, ValueError):
            return None
        if len(block) != BLOCK_BYTES:
            return None
        decoded_owner, sequence = _BLOCK.unpack(self._ciphers.decryptor.update(block))
        # The last character has spare bits, so several spellings decode to the same block. Only
        # the spelling that `encode` returns is an id.
        if decoded_owner != owner or self.encode(owner, [sequence]) != [id]:
            return None
        return int(sequence)
