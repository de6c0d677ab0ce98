"""What every HTTP handler shares: who is calling, their limit, request parsing, errors in the API's envelope, one log
line per request. Rules never import this.

    app = make_app("reference", render)

    @app.get("/projects/<id>")
    def get_project(id: str) -> Response:
        project = projects.get(app.caller("projects:read"), wire.parse(id))
        return app.answer(200, wire.Project.from_core(project))
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from pydantic import BaseModel, ValidationError

from fluvial import clock, idempotency, limits, multipart
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import MAX_SHOWN, FluvialError, InvalidError, NotFoundError, TooLargeError
from fluvial.log import log, write_line
from fluvial.store import windows
from fluvial.store.table import GuardError

Made = TypeVar("Made")
Model = TypeVar("Model", bound=BaseModel)
Render = Callable[[FluvialError | None, str], tuple[int, dict[str, Any]]]
"""Turns an error (None for a defect of ours) and the request id into status and body."""

JSON = "application/json"
# Shorter numbers are kept by any 64-bit float, so that most bodies need no second look.
LONG_NUMBER = re.compile(r"[0-9][0-9.]{15}")
MAX_ANSWER_BYTES = 6_000_000  # Lambda carries 6 MiB, headers included


class App(APIGatewayRestResolver):
    """A group of routes of one API."""

    def __init__(self, api: str, render: Render) -> None:
        super().__init__()
        self.api = api
        self.render = render
        self.window: limits.Window | None = None
        self.exception_handler(Exception)(self._answer_error)
        self.not_found(self._answer_no_route)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answers one request."""
        started = time.perf_counter()
        self.window = None
        answer = self.resolve(event, context)
        headers = answer["multiValueHeaders"]
        headers["X-Request-Id"] = [self.request_id]
        if self.window:
            for name, value in self.window.headers(clock.now()).items():
                headers[name] = [value]
        write_line(
            "request",
            request_id=self.request_id,
            api=self.api,
            method=event["httpMethod"],
            route=event["resource"],
            status=answer["statusCode"],
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return answer

    @property
    def request_id(self) -> str:
        """The id of this request, as every answer spells it."""
        return f"req_{self.current_event['requestContext']['requestId']}"

    @property
    def asked(self) -> Mapping[str, str] | None:
        """The query parameters as they came."""
        asked: Mapping[str, str] | None = self.current_event.get("queryStringParameters")
        return asked

    def caller(self, scope: str) -> Caller:
        """Who calls, once the request is counted against the limit and the key has the scope."""
        identity = self.current_event["requestContext"]["authorizer"]
        caller = Caller(
            account=int(identity["account"]),
            user=int(identity["user"]),
            key=int(identity["key"]),
            plan=identity["plan"],
            scopes=frozenset(identity["scopes"].split()),
            role=identity["role"],
            project=int(identity["project"]) if "project" in identity else None,
        )
        try:
            self.window = limits.spend(caller, api=self.api)
        except limits.WindowUsedUpError as error:
            self.window = error.window
            raise
        except windows.UnreachableError:
            # Let through, without headers: the gateway's usage plan still holds.
            log.exception("limit not counted")
        caller.require(scope)
        return caller

    def body(self, model: type[Model]) -> Model:
        """The JSON body, whatever its label says: some clients of these APIs send none or a wrong one."""
        try:
            text = self.current_event.decoded_body or ""
            found = model.model_validate_json(text, strict=True)
        except UnicodeDecodeError as error:
            raise InvalidError(None, f"The body is not valid UTF-8: {error.reason} at byte {error.start}.") from error
        except ValidationError as error:
            raise invalid(error) from error
        if LONG_NUMBER.search(text):
            json.loads(text, parse_float=_exact)
        return found

    def query(self, model: type[Model]) -> Model:
        """The query parameters; those that the model does not know are left alone."""
        parameters = self.asked or {}
        try:
            return model.model_validate({k: v for k, v in parameters.items() if k in model.model_fields})
        except ValidationError as error:
            raise invalid(error) from error

    def form(self) -> multipart.Form:
        """The multipart/form-data body."""
        event = self.current_event
        body = event.get("body") or ""
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        return multipart.parse(raw, event.headers.get("content-type") or "")

    def once(
        self,
        caller: Caller,
        content: bytes,
        make: Callable[[idempotency.Once[Made] | None], Made],
        show: Callable[[Made], BaseModel],
        spell: Callable[[bytes], str] | None = None,
    ) -> Response[str]:
        """Makes something and answers 201 with it; under an Idempotency-Key once, and each time with the first answer.

        `content` is what the request says, in one spelling. For `spell` see `idempotency.Once`.
        """
        key = self.current_event.headers.get("idempotency-key")
        if key is None:
            return self.answer(201, show(make(None)))
        event = self.current_event
        request: idempotency.Once[Made] = idempotency.Once(
            account=caller.account,
            route=f"{self.api} {event['httpMethod']} {event['resource']}",
            key=idempotency.checked_key(key),
            # Another user, or a key of another project, must not be told the answer.
            fingerprint=idempotency.fingerprint(f"{caller.user} {caller.project} {event['path']}", content),
            status=201,
            show=lambda made: show(made).model_dump_json(),
            spell=spell,
        )
        found = request.find()
        if found is None:
            try:
                return self.answer(201, show(make(request)))
            except GuardError:
                # The same request, at the same time: it has been answered meanwhile.
                found = request.find()
                if found is None:
                    raise
        return Response(found.status, JSON, found.body, {"Idempotent-Replayed": "true"})

    def answer(self, status: int, body: BaseModel) -> Response[str]:
        """The body as JSON. TooLargeError where Lambda could not carry it; an answer is never cut."""
        text = body.model_dump_json()
        # Lambda wraps the text in JSON, where a character takes up to six bytes; most answers are far below.
        if len(text) > MAX_ANSWER_BYTES // 6 and (size := len(json.dumps(text))) > MAX_ANSWER_BYTES:
            raise TooLargeError(
                f"The answer has {size} bytes, more than the {MAX_ANSWER_BYTES} that can be sent: ask for fewer items.",
                field="per_page",
                limit_bytes=MAX_ANSWER_BYTES,
            )
        return Response(status, JSON, text)

    def _answer_error(self, error: Exception) -> Response[str]:
        if not isinstance(error, FluvialError):
            log.exception("request %s failed", self.request_id)
        status, body = self.render(error if isinstance(error, FluvialError) else None, self.request_id)
        retry_after = getattr(error, "retry_after_seconds", None)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return Response(status, JSON, json.dumps(body, ensure_ascii=False), headers)

    def _answer_no_route(self, _: Exception) -> Response[str]:
        return self._answer_error(NotFoundError("route", self.current_event.path))


def make_app(api: str, render: Render) -> App:
    """The app of one endpoint group. `api` names the limits' policies, `render` is the API's table of errors."""
    log.setLevel(settings().log_level)
    return App(api, render)


def _exact(text: str) -> float:
    """The number, if a 64-bit float keeps all its digits; else InvalidError, for it would change silently."""
    number = float(text)
    if Decimal(text) != Decimal(repr(number)):
        reason = f"The number {text[:MAX_SHOWN]} has more digits than a 64-bit float keeps: send it as a string."
        raise InvalidError(None, reason, value=text[:MAX_SHOWN])
    return number


def invalid(error: ValidationError) -> InvalidError:
    """The first complaint of pydantic in our words: which field, what was given, what is allowed."""
    first = error.errors(include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    field = ".".join(str(part) for part in first["loc"])[:MAX_SHOWN] or None
    given = first.get("input")
    if kind == "json_invalid":
        return InvalidError(None, f"The body is not valid JSON: {context['error']}.")
    if field is None:
        return InvalidError(None, "The body must be a JSON object.", value=given)
    if kind == "missing":
        return InvalidError(field, f"'{field}' is required.")
    if kind == "extra_forbidden":
        return InvalidError(field, f"'{field}' is not a field of this request.", value=given)
    rule = _ALLOWED.get(kind)
    allowed = rule(context) if rule else None
    shown = json.dumps(given, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
    if allowed is None:
        return InvalidError(field, f"'{field}' cannot be {shown}: {first['msg']}.", value=given)
    return InvalidError(field, f"'{field}' must be {allowed}, not {shown}.", value=given, constraint=allowed)


_ALLOWED: dict[str, Callable[[dict[str, Any]], str]] = {
    "string_type": lambda _: "a string",
    "int_type": lambda _: "a whole number",
    "int_parsing": lambda _: "a whole number",
    "int_parsing_size": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "bool_type": lambda _: "true or false",
    "dict_type": lambda _: "an object",
    "list_type": lambda _: "a list",
    "greater_than_equal": lambda context: f"at least {context['ge']}",
    "less_than_equal": lambda context: f"at most {context['le']}",
    "literal_error": lambda context: f"one of {context['expected']}",
}
