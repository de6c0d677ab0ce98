"""Documents through the Fluxx API, on moto: creation with a file, downloads, uploads, new content."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from fluvial import blobs, config
from fluvial.caller import Caller
from fluvial.http import headers
from fluvial.store import documents as stored_documents
from tests.fluxx.calls import Api, multipart_form, refusal

V2 = "/api/rest/v2"
DOWNLOAD = f"{V2}/model_document_download"
BYTES = bytes(range(256)) + b"\r\n--x--\r\n\x00\xff\xfe"
COLUMNS = ["document_file_name", "model_document_master_id", "seq_number", "document_file_size"]


@pytest.fixture
def grant(api: Api) -> int:
    _, body = api.post_form(f"{V2}/grant_request", data={"project_title": "Clean water"})
    made: int = body["grant_request"]["id"]
    return made


def form(
    data: dict[str, Any], content: bytes | None = BYTES, filename: str = "plan.pdf", **more: Any
) -> dict[str, Any]:
    return multipart_form({"data": json.dumps(data), **more}, content, filename)


def owned(grant: int, **more: Any) -> dict[str, Any]:
    return {"doc_label": "default", "owner_model": {"model_type": "grant_request", "id": grant}, **more}


def create(api: Api, grant: int, content: bytes | None = BYTES, **more: Any) -> dict[str, Any]:
    status, body = api.call("POST", f"{V2}/model_document", **form(owned(grant, **more), content))
    assert status == 200
    made: dict[str, Any] = body["model_document"]
    return made


def download(api: Api, document_id: int, method: str = "GET", accept: str | None = "*/*") -> tuple[int, Any, bytes]:
    """Status, headers and bytes of the content, as the gateway hands them on."""
    sent = {} if accept is None else {"Accept": accept}
    answer = api.send(method, f"{DOWNLOAD}/{document_id}", headers=sent)
    body = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
    return answer["statusCode"], {name: value[0] for name, value in answer["multiValueHeaders"].items()}, body


def test_a_document_is_created_with_its_file(api: Api, grant: int) -> None:
    sent = form(
        owned(grant, file_name="plan.pdf", document_type="file", storage_type="file", content_type="application/pdf"),
        cols=json.dumps(["id", "document_type", "document_content_type", "documentable_type", *COLUMNS]),
        relation=json.dumps({"documentable_id": ["project_title"]}),
    )
    status, body = api.call("POST", f"{V2}/model_document", **sent)
    assert status == 200
    made = body["model_document"]
    assert made == {
        "id": made["id"],
        "document_type": "file",
        "document_content_type": "application/pdf",
        "documentable_type": "GrantRequest",
        "document_file_name": "plan.pdf",
        "document_file_size": len(BYTES),
        "model_document_master_id": made["id"],
        "seq_number": 1,
        "documentable_id": [{"id": grant, "project_title": "Clean water"}],
    }


@pytest.mark.parametrize("accept", ["*/*", "application/pdf", "text/html,application/xhtml+xml,*/*;q=0.8", None])
def test_the_bytes_come_as_they_were_sent_whatever_the_client_accepts(api: Api, grant: int, accept: str | None) -> None:
    made = create(api, grant, file_name='Plan "ä", 1.pdf')
    status, sent, body = download(api, made["id"], accept=accept)
    assert (status, body) == (200, BYTES)
    assert sent["Content-Type"] == "application/pdf"
    disposition = "attachment; filename=\"Plan ____ 1.pdf\"; filename*=UTF-8''Plan%20%22%C3%A4%22%2C%201.pdf"
    assert sent["Content-Disposition"] == disposition
    # What people upload is shown by no browser as a page of ours.
    for name, value in headers.SECURITY.items():
        assert sent[name] == value


def test_head_tells_of_the_content_without_it(api: Api, grant: int) -> None:
    status, sent, body = download(api, create(api, grant)["id"], "HEAD")
    assert (status, body) == (200, b"")
    assert (sent["Content-Type"], sent["Content-Length"]) == ("application/pdf", str(len(BYTES)))
    assert "plan.pdf" in sent["Content-Disposition"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("document_id", ["5", "abc", "9" * 17])
def test_a_document_that_is_not_there_is_no_file(api: Api, method: str, document_id: str) -> None:
    answer = api.send(method, f"{DOWNLOAD}/{document_id}")
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"]) == refusal({"base": [f"No document '{document_id}' exists."]})


def test_what_is_deleted_or_somebody_else_s_is_no_file_either(api: Api, stranger: Api, grant: int) -> None:
    kept, gone = create(api, grant)["id"], create(api, grant)["id"]
    assert api.delete(f"{V2}/model_document/{gone}") == (200, True)
    assert download(api, gone)[0] == 404
    assert download(stranger, kept)[0] == 404
    assert download(api, kept)[0] == 200


def test_a_token_without_the_right_gets_no_file(api: Api, caller: Caller, grant: int) -> None:
    made = create(api, grant)
    weak = Api(replace(caller, scopes=frozenset({"records:write"})))
    status, _, body = download(weak, made["id"])
    assert status == 403
    assert json.loads(body)["error"]["code"] == 403


def test_an_old_version_of_the_api_has_downloads_and_another_has_none(api: Api, grant: int) -> None:
    made = create(api, grant)
    assert api.send("GET", f"/api/rest/v1/model_document_download/{made['id']}")["statusCode"] == 200
    assert api.send("GET", f"/api/rest/v9/model_document_download/{made['id']}")["statusCode"] == 404


def test_a_large_file_has_moved_to_where_its_bytes_are(api: Api, grant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create(api, grant)
    monkeypatch.setenv("FLUVIAL_MAX_INLINE_BYTES", str(len(BYTES) - 1))
    config.settings.cache_clear()
    status, sent, body = download(api, made["id"])
    assert (status, body) == (302, b"")
    assert "/documents/" in sent["Location"]
    assert "response-content-disposition=attachment" in sent["Location"]
    status, sent, _ = download(api, made["id"], "HEAD")
    assert (status, sent["Content-Length"]) == (200, str(len(BYTES)))


def test_where_the_gateway_needs_an_accept_who_sends_none_is_led_to_the_bytes(
    api: Api, grant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api, grant)
    text = create(api, grant, None, document_type="text", document_text="words")
    monkeypatch.setenv("FLUVIAL_BYTES_NEED_ACCEPT", "true")
    config.settings.cache_clear()
    assert download(api, made["id"], accept=None)[0] == 302
    assert download(api, made["id"], accept="*/*")[2] == BYTES
    status, sent, body = download(api, text["id"], accept=None)
    assert (status, body) == (200, b"words")
    assert sent["Content-Type"] == "text/plain; charset=utf-8"


def test_new_content_is_put_in_the_place_of_the_old(api: Api, grant: int) -> None:
    made = create(api, grant)
    path = f"{V2}/model_document/{made['id']}"
    sent = form({"doc_label": "final"}, b"next", "next.txt", cols=json.dumps(COLUMNS))
    status, body = api.call("PUT", path, **sent)
    assert (status, body["model_document"]) == (
        200,
        {
            "id": made["id"],
            "document_file_name": "next.txt",
            "model_document_master_id": made["id"],
            "seq_number": 2,
            "document_file_size": 4,
        },
    )
    assert download(api, made["id"])[2] == b"next"
    status, body = api.put_form(path, data={"file_name": "renamed.txt"}, cols=["document_file_name"])
    assert body["model_document"]["document_file_name"] == "renamed.txt"
    assert "renamed.txt" in download(api, made["id"])[1]["Content-Disposition"]


@pytest.mark.parametrize(
    ("data", "content", "problem"),
    [
        ({}, BYTES, "owner_model"),
        ({"owner_model": {"model_type": "planet", "id": 1}}, BYTES, "documentable_type"),
        ({"owner_model": {"model_type": "grant_request", "id": 1}}, BYTES, "documentable_id"),
        ({"owner_model": {"model_type": "grant_request", "id": 1}}, None, "content"),
        ({"upload_id": 5}, None, "upload_id"),
    ],
)
def test_what_is_wrong_with_a_document_is_told_by_the_field(
    api: Api, data: dict[str, Any], content: bytes | None, problem: str
) -> None:
    status, body = api.call("POST", f"{V2}/model_document", **form(data, content))
    assert (status, body["error"]["code"]) == (200, 100)
    assert list(json.loads(body["error"]["message"])) == [problem]


def test_a_file_that_is_too_large_is_told_where_to_go(api: Api, grant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUVIAL_MAX_INLINE_BYTES", "10")
    config.settings.cache_clear()
    status, body = api.call("POST", f"{V2}/model_document", **form(owned(grant)))
    reasons = json.loads(body["error"]["message"])
    assert (status, list(reasons)) == (200, ["content"])
    assert "POST /api/rest/v2/model_document_upload" in reasons["content"][0]


def test_under_one_key_a_document_is_created_once(api: Api, grant: int) -> None:
    def send(content: bytes) -> tuple[int, Any]:
        sent = form(owned(grant), content)
        sent["headers"]["Idempotency-Key"] = "k1"
        return api.call("POST", f"{V2}/model_document", **sent)

    first = send(BYTES)
    assert first[0] == 200
    assert send(BYTES) == first
    assert send(BYTES[::-1])[1]["error"]["code"] == 100
    _, listed = api.get(f"{V2}/model_document")
    assert listed["total_entries"] == 1


def test_an_upload_becomes_a_document(api: Api, grant: int, caller: Caller) -> None:
    data = owned(grant, file_name="film.mp4", size=len(BYTES))
    status, opened = api.post_form(f"{V2}/model_document_upload", data=data)
    assert status == 200
    assert opened == {
        "upload_id": opened["upload_id"],
        "url": opened["url"],
        "fields": opened["fields"],
        "file_name": "film.mp4",
        "content_type": "video/mp4",
        "size": len(BYTES),
        "url_expires_at": opened["url_expires_at"],
        "expires_at": opened["expires_at"],
    }
    status, body = api.post_form(f"{V2}/model_document", data={"upload_id": opened["upload_id"]})
    assert body == refusal({"upload_id": ["The file has not arrived yet: send it to the upload's URL first."]})
    upload = stored_documents.get_upload(caller.account, opened["upload_id"])
    assert upload is not None
    assert opened["fields"]["key"] == upload.incoming
    # What S3 does with the presigned form; moto checks no policies, so the bytes are put.
    blobs.put(upload.incoming, BYTES)
    status, body = api.post_form(f"{V2}/model_document", data={"upload_id": opened["upload_id"]}, cols=COLUMNS)
    assert (status, body["model_document"]["document_file_size"]) == (200, len(BYTES))
    again = api.post_form(f"{V2}/model_document", data={"upload_id": opened["upload_id"]}, cols=COLUMNS)
    assert again == (status, body)
    assert download(api, body["model_document"]["id"])[2] == BYTES


@pytest.mark.parametrize(
    ("data", "field"),
    [(None, "data"), ([1], "data"), ({"file_name": "x"}, "size"), ({"size": 5}, "file_name")],
)
def test_an_upload_says_what_is_coming(api: Api, data: Any, field: str) -> None:
    fields = {} if data is None else {"data": data}
    status, body = api.post_form(f"{V2}/model_document_upload", **fields)
    assert (status, body["error"]["code"]) == (200, 100)
    assert list(json.loads(body["error"]["message"])) == [field]


def test_a_hard_deletion_takes_the_bytes_along(api: Api, grant: int, aws: dict[str, str]) -> None:
    made = create(api, grant)
    assert api.delete(f"{V2}/model_document/{made['id']}", hard_delete="1") == (200, True)
    queued = [message["document"] for message in sweeper_messages(aws)]
    assert queued == [made["id"], made["id"]]


def sweeper_messages(aws: dict[str, str]) -> list[dict[str, Any]]:
    """What the sweeper is told to look at, though later."""
    queue = sqs_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].queues[aws["SweepQueue"].rpartition("/")[2]]
    return [json.loads(message.body)["detail"]["data"] for message in queue._messages]
