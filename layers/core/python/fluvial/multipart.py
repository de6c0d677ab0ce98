"""multipart/form-data bodies that are wholly in memory, taken apart byte for byte (RFC 7578, RFC 2046).

The content of a part ends at CRLF, "--", the boundary, and the end of that line, and nowhere else: a file may
contain anything that only begins like it. The splitting is our own: python-multipart needs 2 to 4 times a
plain search on bodies full of their own boundary, in the worst case over a second for 4 MiB
(tests/bench/multipart.py). The headers are read by the standard library.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from email.utils import collapse_rfc2231_value

from fluvial.errors import InvalidError, TooLargeError

MAX_PARTS = 20
MAX_FIELD_BYTES = 64 * 1024
MAX_PART_HEADER_BYTES = 8 * 1024

# Blanks may follow a boundary on its line (RFC 2046, section 5.1.1). No client sends any; their number is bounded
# so that a file full of boundaries and blanks costs no more than others.
LINE_END = re.compile(rb"\r\n|--[ \t]{0,16}(?:\r?\n|\Z)|[ \t]{1,16}\r\n")


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file as it was sent: the last component of its name ("" where it has none), its type, its bytes."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The parts by name; no name is in both."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, FilePart] = field(default_factory=dict)

    def said(self) -> bytes:
        """What the form says, in one spelling: a client that sends it again may choose another boundary or order."""
        files = {
            name: [part.filename, part.content_type, hashlib.sha256(part.data).hexdigest()]
            for name, part in self.files.items()
        }
        return json.dumps([self.fields, files], sort_keys=True).encode()


def parse(
    body: bytes, content_type: str, *, max_parts: int = MAX_PARTS, max_field_bytes: int = MAX_FIELD_BYTES
) -> Form:
    """The fields and files of a form.

    A part is a file if it has a `filename`, even an empty one, or a type other than text/plain; files may be
    as large as the body. Everything else is a field: UTF-8 text of at most `max_field_bytes`. InvalidError
    where the body is no such form, is cut off, or has a name twice; TooLargeError for an oversized field.
    """
    form = Form()
    for count, (head, start, end) in enumerate(_parts(body, _boundary(content_type)), start=1):
        if count > max_parts:
            raise InvalidError(
                None, f"The form has more than {max_parts} parts.", constraint=f"at most {max_parts} parts"
            )
        headers = HeaderParser().parsestr(head.decode(errors="replace"))
        name, filename = _names(headers)
        if name in form.fields or name in form.files:
            raise InvalidError(name, f"The form has more than one part named '{name}'.", constraint="one part")
        if filename is not None or headers.get_content_type() != "text/plain":
            form.files[name] = FilePart(_last_component(filename or ""), headers.get_content_type(), body[start:end])
        else:
            form.fields[name] = _text(name, body, start, end, max_field_bytes)
    if not form.fields and not form.files:
        raise InvalidError(None, "The form has no parts.", constraint="at least one part")
    return form


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type() != "multipart/form-data":
        raise InvalidError(
            None,
            "The body must be sent as multipart/form-data.",
            constraint="Content-Type: multipart/form-data",
        )
    try:
        boundary = (header.get_boundary() or "").encode("latin-1")
    except (ValueError, TypeError):  # what the library raises for contradictory RFC 2231 parameters
        boundary = b""
    if not boundary:
        raise InvalidError(None, "The Content-Type names no boundary.", constraint="multipart/form-data; boundary=…")
    return boundary


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each part as its header block and the start and end of its content in the body."""
    delimiter = b"\r\n--" + boundary

    def next_line(position: int) -> tuple[int, int, bool]:
        """Start and end of the next boundary line, and whether it is the last one."""
        start = body.find(delimiter, position)
        while start >= 0:
            if line := LINE_END.match(body, start + len(delimiter)):
                return start, line.end(), line.group().startswith(b"--")
            start = body.find(delimiter, start + len(delimiter))
        raise InvalidError(None, "The form is cut off: its closing boundary is missing.", constraint="a complete form")

    opening = LINE_END.match(body, len(delimiter) - 2) if body.startswith(delimiter[2:]) else None
    if opening:
        position, last = opening.end(), opening.group().startswith(b"--")
    else:
        _, position, last = next_line(0)  # text before the first boundary means nothing
    while not last:
        # A part without headers begins with the empty line, whose first half is the boundary's line end.
        head_end = body.find(b"\r\n\r\n", position - 2, position + MAX_PART_HEADER_BYTES)
        if head_end < 0:
            raise InvalidError(
                None,
                "The headers of a part are cut off or too long.",
                constraint=f"headers of at most {MAX_PART_HEADER_BYTES} bytes per part",
            )
        head = body[position:head_end]
        content = head_end + 4
        # From two bytes back: the boundary of an empty part may share the CRLF that ends its headers.
        end, position, last = next_line(content - 2)
        yield head, content, max(content, end)
    # Allowed by RFC 2046, but no client sends any: this is a file that contains its own closing boundary.
    if body[position:].strip():
        raise InvalidError(None, "There is more after the closing boundary of the form.", constraint="nothing after it")


def _names(headers: Message) -> tuple[str, str | None]:
    """The name of a part, and the file name if it has one; `filename*` wins over `filename`."""
    try:
        parameters = headers.get_params(failobj=[], header="content-disposition")
        found = {name.lower(): collapse_rfc2231_value(value) for name, value in parameters}
    except (ValueError, TypeError):  # what the library raises for contradictory RFC 2231 parameters
        found = {}
    if "form-data" not in found or not found.get("name"):
        raise InvalidError(
            None,
            "A part of the form has no name.",
            constraint='Content-Disposition: form-data; name="…" in every part',
        )
    encoding = headers.get("content-transfer-encoding", "binary").strip().lower()
    if encoding not in ("binary", "8bit", "7bit"):
        raise InvalidError(
            found["name"],
            f"The part '{found['name']}' has a transfer encoding, which forms do not use.",
            value=encoding,
            constraint="the bytes as they are",
        )
    return found["name"], found.get("filename")


def _last_component(filename: str) -> str:
    return filename.replace("\\", "/").rpartition("/")[2]


def _text(name: str, body: bytes, start: int, end: int, max_field_bytes: int) -> str:
    if end - start > max_field_bytes:
        raise TooLargeError(
            f"The field '{name}' is longer than {max_field_bytes} bytes; a file needs a file name.",
            field=name,
            limit_bytes=max_field_bytes,
        )
    try:
        return body[start:end].decode()
    except UnicodeDecodeError:
        raise InvalidError(name, f"The field '{name}' is not UTF-8 text.", constraint="UTF-8 text") from None
