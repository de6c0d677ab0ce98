"""Chance as text with a checksum behind it, so that a typo is refused without a read.

<characters of base62> <6 characters: CRC-32 of the others, in base62>
"""

from __future__ import annotations

import hashlib
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM_LENGTH = 6


def spell(number: int, length: int) -> str:
    """The last `length` digits of the number, and their checksum."""
    digits = _digits(number, length)
    return f"{digits}{_checksum(digits)}"


def spell_wide(bits: bytes, length: int) -> str:
    """As `spell`, where the bits are fewer than the digits: they are spread over all of these."""
    return spell(int.from_bytes(hashlib.sha512(bits).digest(), "big"), length)


def is_spelled(text: str, length: int) -> bool:
    """Whether the text is `length` characters and their checksum."""
    if len(text) != length + CHECKSUM_LENGTH or not text.isascii():
        return False
    return text[length:] == _checksum(text[:length])


def _checksum(text: str) -> str:
    return _digits(zlib.crc32(text.encode()), CHECKSUM_LENGTH)


def _digits(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, rest = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[rest])
    return "".join(reversed(characters))
