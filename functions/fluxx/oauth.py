"""Signing in: an application's client_id and client_secret become an access token."""

from __future__ import annotations

from typing import Any

from fluvial import tokens
from fluvial.errors import FluvialError, InvalidError, LimitedError, TooLargeError, UnauthenticatedError
from fluvial.http import Response, make_app
from fluxx.wire import oauth as shapes

# Errors are OAuth's (RFC 6749, section 5.2), with the status that the clients of this API know for all of them: 401.
TABLE: dict[type[FluvialError], tuple[int, str]] = {
    UnauthenticatedError: (401, "invalid_client"),
    shapes.UnsupportedGrantError: (401, "unsupported_grant_type"),
    InvalidError: (401, "invalid_request"),
    TooLargeError: (401, "invalid_request"),
    LimitedError: (429, "temporarily_unavailable"),
}
# The words that clients know.
UNKNOWN_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method."
)


def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body; None is a defect or an outage, of which a caller learns the request id only."""
    if error is None:
        message = f"Something went wrong on our side; the request id {request_id} finds it in the logs."
        return 500, _body("server_error", message)
    status, code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return status, _body(code, UNKNOWN_CLIENT if isinstance(error, UnauthenticatedError) else str(error))


def _body(code: str, message: str) -> dict[str, Any]:
    return {"error": code, "error_description": message}


app = make_app("fluxx", render)


@app.post("/oauth/token", None, status=200)
def issue_token(params: shapes.TokenRequest) -> Response[shapes.TokenAnswer]:
    """Answers an access token that holds for two hours. It has the application's scopes, whatever `scope` asks for."""
    params.check_grant()
    token = tokens.issue(*params.credentials(app.header("authorization", "")))
    return app.answer(shapes.TokenAnswer.of(token, asked_scope=bool(params.scope)))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers one request, with the headers that OAuth asks of each answer."""
    answer = app(event, context)
    headers = answer["multiValueHeaders"]
    headers["Pragma"] = ["no-cache"]
    if answer["statusCode"] == 401 and app.header("authorization", "").strip().lower().startswith("basic"):
        headers["WWW-Authenticate"] = ['Basic realm="Fluvial", charset="UTF-8"']
    return answer
