"""Previews: a version of a site as its visitors would see it. Open to whoever has the link."""

from __future__ import annotations

from typing import Annotated

from codefluss.errors import render_for
from fluvial import previews
from fluvial.http import Response, make_app

app = make_app("codefluss", render_for("preview"))

# The pages are a customer's and stand beside our API: no script, no form, no frame, and an origin of their own.
SECURITY = (
    "default-src 'none'; style-src 'self'; img-src https: http: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups"
)


@app.get("/preview/{token}", None, status=302)
def open_preview(token: str) -> Response[str]:
    """Leads to the first page of the version that the link opens."""
    return _file(token, "")


@app.get("/preview/{token}/{path+}", None, also=(302,))
def open_file(token: str, path: str) -> Response[Annotated[str, "text/html"]]:
    """A page, or the stylesheet."""
    return _file(token, path)


def _file(token: str, path: str) -> Response[str]:
    file = previews.open(token, path)
    if file.path != path:
        # Links in a page are relative to where it is.
        return Response(302, body="", headers={"Location": f"{app.base_url}/preview/{token}/{file.path}"})
    headers = {"Content-Security-Policy": SECURITY, "X-Robots-Tag": "noindex"}
    return Response(200, file.content_type, file.data.decode(), headers)


handler = app
