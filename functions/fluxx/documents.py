"""The content of documents: downloads, and uploads of files that are too large for a request."""

from __future__ import annotations

from typing import Any

from fluvial import blobs, document_uploads, documents, record_schemas
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import FluvialError, ForbiddenError, InvalidError, NotFoundError
from fluvial.http import Response, make_app
from fluxx import errors
from fluxx.wire import documents as shapes
from fluxx.wire import records

STATUSES: dict[type[FluvialError], int] = {NotFoundError: 404, ForbiddenError: 403}
DOWNLOAD = "/api/rest/{version}/model_document_download/{id}"
UPLOAD = "/api/rest/{version}/model_document_upload"


def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
    """As everywhere in this API, but for what a download is refused with: a 200 would be taken for the file."""
    status, body = errors.render(error, request_id)
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), status), body


app = make_app("fluxx", render)


@app.get(DOWNLOAD, "records:read", also=(302,), limit="get")
def download_document(caller: Caller, version: records.Version, id: records.RecordId) -> Response[str]:
    """The content of a document; of one that is too large for an answer, the address to which its bytes have moved."""
    found = _download(caller, version, id)
    link = found.link() if _needs_link(found) else None
    if link is not None:
        return Response(302, headers={"Location": link})
    return Response(200, found.content_type, found.read(), {"Content-Disposition": blobs.disposed(found.filename)})


@app.head(DOWNLOAD, "records:read", limit="get")
def ask_for_document(caller: Caller, version: records.Version, id: records.RecordId) -> Response[str]:
    """What the download would say of the content, without it."""
    found = _download(caller, version, id)
    said = {"Content-Disposition": blobs.disposed(found.filename), "Content-Length": str(found.size)}
    return Response(200, found.content_type, headers=said)


@app.post(UPLOAD, "records:write", status=200, limit="write")
def open_document_upload(
    caller: Caller, version: records.Version, params: shapes.UploadOpen
) -> Response[shapes.UploadAnswer]:
    """Opens the way for a large file, which goes straight to S3 and then becomes a document by its `upload_id`."""
    _check(version)
    schema, said = record_schemas.of(caller.account), params.values()
    if not isinstance(said, dict):
        allowed = "a JSON object"
        raise InvalidError("data", f"'data' must be {allowed} with 'file_name' and 'size'.", constraint=allowed)
    return app.once(lambda once: document_uploads.open_upload(caller, schema, said, once=once), shapes.UploadAnswer.of)


def _download(caller: Caller, version: str, id: str) -> documents.Download:
    _check(version)
    return documents.download(caller, record_schemas.of(caller.account), shapes.document_id(id))


def _needs_link(found: documents.Download) -> bool:
    """Whether the bytes cannot come with the answer: Lambda carries 6 MB, and base64 makes four of three."""
    unasked = settings().bytes_need_accept and app.header("accept") is None
    return unasked or found.size > settings().max_inline_bytes


def _check(version: str) -> None:
    if version not in records.VERSIONS:
        raise NotFoundError("route", f"/api/rest/{version}")


handler = app
