"""Preflights of browsers, for an API through which bytes come as they are (`BinaryMediaTypes: ["*/*"]`).

There the gateway cannot answer them itself, as it does for other APIs: it takes their empty body for bytes, fails to
make a text of it, and answers 500 (https://github.com/aws/serverless-application-model/issues/553). So one greedy route
answers those of all paths; the gateway goes to it from each path that has no OPTIONS of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from fluvial.http.app import App
from fluvial.http.response import Response

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")
MAX_AGE_SECONDS = 7200


def answer_preflights(app: App, sent: Sequence[str]) -> None:
    """Adds the route. `sent` are the headers that a script may send."""
    allowed = {
        "Access-Control-Allow-Methods": ",".join(METHODS),
        "Access-Control-Allow-Headers": ",".join(sent),
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    }

    @app.options("/{proxy+}", None)
    def preflight(proxy: str) -> Response[str]:  # noqa: ARG001 (every path is answered alike)
        return Response(200, headers=allowed)
