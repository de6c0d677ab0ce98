"""The document of an API and a page that shows it: /openapi.json, /docs and the page's files, open to all.

The document is a file beside the API's functions, made by `make openapi`. The page is Swagger UI as Powertools ships
it: it comes with the dependencies, so that there is neither a copy here nor another site that a browser has to trust.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from string import Template

import aws_lambda_powertools

from fluvial.errors import NotFoundError
from fluvial.http.app import App, Render, make_app
from fluvial.http.response import Response

OWN = Path(__file__).with_name("page")
SWAGGER_UI = Path(aws_lambda_powertools.__file__).with_name("event_handler") / "openapi" / "swagger_ui"
FILES = {
    "page.css": (OWN, "text/css; charset=utf-8"),
    "start.js": (OWN, "text/javascript; charset=utf-8"),
    "swagger-ui-bundle.min.js": (SWAGGER_UI, "text/javascript; charset=utf-8"),
    "swagger-ui.min.css": (SWAGGER_UI, "text/css; charset=utf-8"),
}

SHORTLY = "public, max-age=300"
# The page names a file with its version, so that what a browser has is never out of date.
FOR_GOOD = "public, max-age=31536000, immutable"

# Swagger UI sets styles on elements, and its icons are data.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def documentation_app(api: str, render: Render, document: Path) -> App:
    """The app of an API's documentation group; `document` is its openapi.json."""
    app = make_app(api, render)

    @app.get("/openapi.json", None)
    def get_document() -> Response[str]:
        """The OpenAPI document, as it is; a 304 to whoever has it."""
        text, etag = _tagged(document)
        kept = {"Cache-Control": SHORTLY, "ETag": etag}
        if etag in app.header("if-none-match", ""):
            return Response(304, headers=kept)
        return Response(200, "application/json", text, kept)

    @app.get("/docs", None)
    def get_page() -> Response[str]:
        """The page; its links are relative to an address without a slash at its end."""
        return Response(200, "text/html; charset=utf-8", _page(api), _safe(SHORTLY))

    @app.get("/docs/{file}", None)
    def get_file(file: str) -> Response[str]:
        """One of the page's files."""
        if file not in FILES:
            raise NotFoundError("file", file)
        folder, kind = FILES[file]
        return Response(200, kind, (folder / file).read_text(encoding="utf-8"), _safe(FOR_GOOD))

    return app


def _safe(kept: str) -> dict[str, str]:
    return {"Cache-Control": kept, "Content-Security-Policy": POLICY}


@cache
def _page(api: str) -> str:
    version = hashlib.sha256(b"".join((folder / name).read_bytes() for name, (folder, _) in FILES.items()))
    page = Template((OWN / "page.html").read_text(encoding="utf-8"))
    return page.substitute(title=f"Fluvial: the {api} API", version=version.hexdigest()[:12])


@cache
def _tagged(document: Path) -> tuple[str, str]:
    text = document.read_text(encoding="utf-8")
    return text, f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
