"""The shapes of the documents group."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import WithJsonSchema

from fluvial import clock
from fluvial.document_uploads import Opened
from fluvial.errors import NotFoundError
from fluvial.http import params
from fluvial.http.wire import Request, Shape

EXAMPLE = '{"file_name": "film.mp4", "size": 52428800, "owner_model": {"model_type": "grant_request", "id": 1}}'


class UploadOpen(Request):
    """A file that is to be uploaded."""

    data: Annotated[
        Any,
        WithJsonSchema(
            {
                "description": "JSON: `file_name`, `size` in bytes, and what else is known of the document",
                "examples": [EXAMPLE],
            }
        ),
    ] = None

    def values(self) -> Any:
        """What is said of the document, as JSON values."""
        return params.json_value("data", self.data)


class UploadAnswer(Shape):
    """Send a POST of multipart/form-data to `url`: all `fields`, and then the part `file`.

    Then create the document with `upload_id`.
    """

    upload_id: int
    url: str
    fields: dict[str, str]
    file_name: str
    content_type: str
    size: int
    url_expires_at: str
    expires_at: str

    @classmethod
    def of(cls, opened: Opened) -> UploadAnswer:
        upload, form = opened
        return cls(
            upload_id=upload.id,
            url=form.url,
            fields=form.fields,
            file_name=upload.filename,
            content_type=upload.content_type,
            size=upload.size,
            url_expires_at=clock.iso(upload.form_expires),
            expires_at=clock.iso(upload.expires),
        )


def document_id(given: str) -> int:
    """The id in a path; NotFoundError for a text that no document has as its id."""
    if not re.fullmatch("[0-9]{1,16}", given):
        raise NotFoundError("document", given)
    return int(given)
