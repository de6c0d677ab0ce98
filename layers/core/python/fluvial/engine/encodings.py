"""Text in an encoding that the caller named, as UTF-8 in which bytes that it does not have stay recognisable.

A byte that cannot be decoded becomes a lone surrogate, which UTF-8 does not allow: whoever reads the records finds
that one of them is no UTF-8 and rejects it, with the byte as it was. Nothing is replaced.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

_FIRST = 0xDC00
_ESCAPED = re.compile("[\udc00-\udcff]")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_FIRST + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("fluvial.escape", _escaped)


def decoded_as(chunks: Iterator[bytes], codec: str) -> Iterator[bytes]:
    """The text as UTF-8, without a byte order mark. UTF-8 itself passes unchecked, for rows to be checked."""
    first = True
    if codec == "utf-8":
        for chunk in chunks:
            yield chunk.removeprefix(codecs.BOM_UTF8) if first else chunk
            first = False
        return
    decoder = codecs.getincrementaldecoder(codec)("fluvial.escape")
    for chunk in chunks:
        text = decoder.decode(chunk)
        if text:
            yield (text.removeprefix("\ufeff") if first else text).encode("utf-8", "surrogatepass")
            first = False
    if rest := decoder.decode(b"", final=True):
        yield rest.encode("utf-8", "surrogatepass")


def shown_bytes(raw: bytes) -> str:
    r"""A record that could not be decoded, with its bad bytes as \xNN."""
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace")
    return _ESCAPED.sub(lambda found: f"\\x{ord(found[0]) - _FIRST:02x}", text)
