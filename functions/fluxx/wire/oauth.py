"""The shapes of the token endpoint: OAuth 2.0, client credentials (RFC 6749, sections 2.3.1, 4.4 and 5)."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal
from urllib.parse import unquote_plus

from pydantic import BeforeValidator

from fluvial import clock, tokens
from fluvial.errors import InvalidError
from fluvial.http.wire import LEFT_OUT_IF_NONE, Documented, Request, Shape

GRANT_TYPE = "client_credentials"


class UnsupportedGrantError(InvalidError):
    """Another way to get a token than the one that there is."""


def _text_or_none(given: Any) -> Any:
    """What is no text is as absent: a refusal of it must not repeat what may be a secret."""
    return given if isinstance(given, str) else None


Text = Annotated[str | None, BeforeValidator(_text_or_none)]


class TokenRequest(Request):
    """In the query, a form or JSON; the client's two may also come as HTTP Basic authentication."""

    grant_type: Annotated[Text, Documented(enum=[GRANT_TYPE])] = None
    client_id: Text = None
    client_secret: Text = None
    scope: Text = None

    def credentials(self, authorization: str) -> tuple[str, str]:
        """The client_id and the client_secret; of both ways that they may come in, Basic counts."""
        scheme, _, encoded = authorization.strip().partition(" ")
        if scheme.lower() == "basic":
            return _basic(encoded)
        return self.client_id or "", self.client_secret or ""

    def check_grant(self) -> None:
        """InvalidError unless it is the one grant that there is."""
        if not self.grant_type:
            raise InvalidError("grant_type", "Missing required parameter: grant_type.", constraint=GRANT_TYPE)
        if self.grant_type != GRANT_TYPE:
            reason = f"The authorization grant type is not supported: 'grant_type' must be '{GRANT_TYPE}'."
            raise UnsupportedGrantError("grant_type", reason, constraint=GRANT_TYPE)


class TokenAnswer(Shape):
    """Times in seconds. `scope`, what the token has, is there for those who asked for one."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (a name, no secret)
    expires_in: int
    created_at: int
    scope: Annotated[str | None, LEFT_OUT_IF_NONE] = None

    @classmethod
    def of(cls, token: tokens.Token, *, asked_scope: bool) -> TokenAnswer:
        return cls(
            access_token=token.text,
            expires_in=(token.ends - token.created) // clock.SECOND,
            created_at=token.created // clock.SECOND,
            scope=" ".join(token.scopes) if asked_scope else None,
        )


class Refusal(Shape):
    """What an answer is that is not a success. For the OpenAPI document alone: what answers is `fluxx.oauth.render`."""

    error: Literal[
        "invalid_client", "invalid_request", "unsupported_grant_type", "temporarily_unavailable", "server_error"
    ]
    error_description: str


def _basic(encoded: str) -> tuple[str, str]:
    """User and password, each encoded as in a form (RFC 6749, section 2.3.1); what cannot be read is nobody's."""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)
