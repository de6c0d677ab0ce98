"""Files that are to become the content of documents: what is said of them, and where their bytes come from."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fluvial import blobs
from fluvial.config import settings
from fluvial.errors import MAX_SHOWN, InvalidError, RecordInvalidError, TooLargeError
from fluvial.multipart import FilePart
from fluvial.record_values import Value
from fluvial.text import checked_line

FILE, TEXT, LINK = "file", "text", "link"
CONTENT = "content"  # what the API calls the file's part
UPLOAD_ID = "upload_id"
# What a write may call fields that an answer calls otherwise.
NAMES = {"file_name": "document_file_name", "content_type": "document_content_type"}
# Fields that follow from the file.
OF_THE_FILE = (*NAMES.values(), "document_type", "storage_type", "size")

MAX_FILENAME_LENGTH = 255
OCTETS = "application/octet-stream"
PLAIN = "text/plain; charset=utf-8"

_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_CONTENT_TYPE = re.compile(rf'{_WORD}/{_WORD}( ?; ?{_WORD}=({_WORD}|"[A-Za-z0-9 !#$&^_.+:/-]*")){{0,5}}')
_ID = re.compile(r"[0-9]{1,16}")
_BUILT_IN = mimetypes.MimeTypes()  # those of Python, and not what else a machine knows


@dataclass(frozen=True, slots=True)
class File:
    """A file of `size` bytes; `put` stores them under a key."""

    filename: str
    content_type: str
    size: int
    put: Callable[[str], None]

    def own(self, moment: int) -> dict[str, Value | None]:
        """What the platform says of the document."""
        return {
            "document_type": FILE,
            "document_file_name": self.filename,
            "original_file_name": self.filename,
            "document_content_type": self.content_type,
            "document_file_size": self.size,
            "document_updated_at": moment,
            "document_text": None,
            "storage_type": FILE,
            "upload_state": "uploaded",
        }


def values(given: Mapping[str, Any]) -> tuple[dict[str, Any], int | None]:
    """What a write says, by the names of the fields, and the id of an upload, if it names one."""
    found = {name: value for name, value in given.items() if name != UPLOAD_ID}
    for name, field in NAMES.items():
        if name in found:
            value = found.pop(name)
            if found.setdefault(field, value) != value:
                raise RecordInvalidError({name: [f"is given twice, as '{field}' with another value"]})
    upload = given.get(UPLOAD_ID)
    if upload is None or upload == "":
        return found, None
    if isinstance(upload, bool) or not _ID.fullmatch(str(upload)):
        allowed = "the id of an upload"
        shown = str(upload)[:MAX_SHOWN]
        raise InvalidError(UPLOAD_ID, f"'{UPLOAD_ID}' must be {allowed}.", value=shown, constraint=allowed)
    return found, int(upload)


def sent(said: Mapping[str, Any], part: FilePart) -> File:
    """The file that came with a request; TooLargeError for one that needs an upload."""
    limit = settings().max_inline_bytes
    if len(part.data) > limit:
        reason = f"A file in a request must have at most {limit} bytes, not {len(part.data)}."
        raise TooLargeError(reason, field=CONTENT, limit_bytes=limit)
    filename = named(said, part.filename) or "document"
    kind = typed(said, filename, part.content_type)
    return File(filename, kind, len(part.data), lambda key: blobs.put(key, part.data))


def without_file(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the document but for its file."""
    return {name: value for name, value in said.items() if name not in OF_THE_FILE}


def named(said: Mapping[str, Any], otherwise: str) -> str:
    """The name that a file is given, without folders; `otherwise` where it is given none."""
    given = said.get("document_file_name") or otherwise
    name = str(given).replace("\\", "/").rpartition("/")[2]
    return checked_line("file_name", name, MAX_FILENAME_LENGTH) if name else ""


def typed(said: Mapping[str, Any], filename: str, otherwise: str) -> str:
    """The content type that a file is given; else the other one, unless that says nothing, and then by the name."""
    given = said.get("document_content_type")
    if given:
        if not is_content_type(given):
            allowed = "a media type, such as application/pdf"
            shown = str(given)[:MAX_SHOWN]
            raise InvalidError("content_type", f"'content_type' must be {allowed}.", value=shown, constraint=allowed)
        return str(given)
    if otherwise != OCTETS and is_content_type(otherwise):
        return otherwise
    return _BUILT_IN.guess_type(filename)[0] or OCTETS


def is_content_type(text: object) -> bool:
    """Whether this may stand in a header as a Content-Type."""
    return isinstance(text, str) and _CONTENT_TYPE.fullmatch(text) is not None
