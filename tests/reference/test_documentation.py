"""GET /openapi.json, /docs and the page's files through their handler: no table, no key, nothing but files."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from reference import documentation
from tests.factories import CONTEXT, answer, request

DOCUMENT = Path(documentation.__file__).with_name("openapi.json")
ETAG = f'"{hashlib.sha256(DOCUMENT.read_bytes()).hexdigest()[:32]}"'
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def get(resource: str, file: str | None = None, **headers: str) -> dict[str, Any]:
    """The whole answer, with its headers as one value each."""
    path = None if file is None else {"file": file}
    response = documentation.handler(request("GET", resource, path=path, headers=headers), CONTEXT)
    return {**response, "headers": {name: value for name, (value,) in response["multiValueHeaders"].items()}}


def test_the_document_is_answered_byte_for_byte_as_it_was_made() -> None:
    response = get("/openapi.json")
    assert (response["statusCode"], response["isBase64Encoded"]) == (200, False)
    assert response["body"].encode() == DOCUMENT.read_bytes()
    assert response["headers"]["Content-Type"] == "application/json"
    assert response["headers"]["Cache-Control"] == "public, max-age=300"
    assert response["headers"]["ETag"] == ETAG
    assert response["headers"]["X-Request-Id"].startswith("req_")
    assert not [name for name in response["headers"] if "ratelimit" in name.lower()]


def test_who_has_the_document_is_not_sent_it_again() -> None:
    response = get("/openapi.json", **{"If-None-Match": ETAG})
    assert (response["statusCode"], response["body"]) == (304, "")
    assert response["headers"]["ETag"] == ETAG


def test_who_has_another_document_is_sent_this_one() -> None:
    assert get("/openapi.json", **{"If-None-Match": '"old"'})["statusCode"] == 200


def test_the_page_has_no_script_inside_it_and_may_load_its_own_files_only() -> None:
    response = get("/docs")
    assert (response["statusCode"], response["headers"]["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert response["headers"]["Content-Security-Policy"] == POLICY
    assert response["headers"]["Cache-Control"] == "public, max-age=300"
    assert "<title>Fluvial: the reference API</title>" in response["body"]
    assert '<a href="openapi.json">' in response["body"]
    assert re.findall(r"<script[^>]*>(.+?)</script>", response["body"]) == []
    assert "//" not in response["body"].replace("<!doctype", "")


def test_every_file_that_the_page_names_is_served_and_kept_for_good() -> None:
    named = re.findall(r'(?:src|href)="docs/([^"?]+)\?v=[0-9a-f]{12}"', get("/docs")["body"])
    assert named == ["swagger-ui.min.css", "page.css", "swagger-ui-bundle.min.js", "start.js"]
    for file in named:
        response = get("/docs/{file}", file)
        kind = "text/css" if file.endswith(".css") else "text/javascript"
        assert (response["statusCode"], response["isBase64Encoded"]) == (200, False)
        assert response["headers"]["Content-Type"] == f"{kind}; charset=utf-8"
        assert response["headers"]["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response["headers"]["Content-Security-Policy"] == POLICY
        # Lambda carries 6 MiB, and the text in JSON.
        assert 0 < len(json.dumps(response["body"])) < 6_000_000


@pytest.mark.parametrize("file", ["oauth2.py", "page.html", "..", "%2e%2e", "__init__.py"])
def test_any_other_file_is_absent_in_the_envelope(file: str) -> None:
    event = request("GET", "/docs/{file}", path={"file": file})
    status, body = answer(documentation.handler, event)
    assert status == 404
    assert body == {
        "error": {
            "code": "RESOURCE_NOT_FOUND",
            "message": f"No file '{body['error']['message'].split(chr(39))[1]}' exists.",
            "field": None,
            "request_id": f"req_{event['requestContext']['requestId']}",
        }
    }
