"""The app of one endpoint group: who is calling, their limit, what they send, errors in the API's envelope, one log
line per request."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from fluvial import clock, idempotency, limits, multipart
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import FluvialError, InvalidError, NotFoundError, TooLargeError, UnchangedError
from fluvial.http import headers, params
from fluvial.http.refusals import invalid
from fluvial.http.response import Response
from fluvial.http.route import NOT_IN_THE_PATH, Route
from fluvial.http.wire import Request
from fluvial.log import log, write_line
from fluvial.store import windows
from fluvial.store.table import GuardError

Made = TypeVar("Made")
Shown = TypeVar("Shown", bound=BaseModel)
Model = TypeVar("Model", bound=BaseModel)
Serve = TypeVar("Serve", bound=Callable[..., Any])
Render = Callable[[FluvialError | None, str], tuple[int, dict[str, Any]]]
"""Turns an error (None for a defect of ours) and the request id into status and body."""

JSON = "application/json"
REVISION = re.compile(r'(?:W/)?"([0-9]{1,15})"')
MAX_ANSWER_BYTES = 6_000_000  # Lambda carries 6 MiB, headers included
TUNNELLED = ("GET", "PUT", "DELETE")  # methods that a POST can stand for


class App:
    """A group of routes of one API; calling it answers one request."""

    def __init__(self, api: str, render: Render, feature: str | None = None, *, tunnels: bool = False) -> None:
        self.api = api
        self.render = render
        self.feature = feature
        self.tunnels = tunnels
        self.routes: list[Route] = []
        # Of the request that is being served.
        self.window: limits.Window | None = None
        self._caller: Caller | None = None
        self._said: Request | None = None
        self._event: dict[str, Any] = {}
        self._headers: dict[str, str] = {}
        # API Gateway says which route it matched, so there is nothing left to match.
        self._served: dict[tuple[str, str], Route] = {}

    def get(
        self, path: str, scope: str | None, *, status: int = 200, also: tuple[int, ...] = (), limit: str = limits.ALL
    ) -> Callable[[Serve], Serve]:
        """Registers a function for GET. `scope` None: open to all. For `also` and `limit` see `Route`."""
        return self._register("GET", path, scope, status, also, limit)

    def head(
        self, path: str, scope: str | None, *, status: int = 200, also: tuple[int, ...] = (), limit: str = limits.ALL
    ) -> Callable[[Serve], Serve]:
        return self._register("HEAD", path, scope, status, also, limit)

    def options(self, path: str, scope: str | None) -> Callable[[Serve], Serve]:
        return self._register("OPTIONS", path, scope, 200)

    def post(
        self, path: str, scope: str | None, *, status: int = 201, limit: str = limits.ALL
    ) -> Callable[[Serve], Serve]:
        return self._register("POST", path, scope, status, limit=limit)

    def put(
        self, path: str, scope: str | None, *, status: int = 200, limit: str = limits.ALL
    ) -> Callable[[Serve], Serve]:
        return self._register("PUT", path, scope, status, limit=limit)

    def patch(self, path: str, scope: str | None, *, status: int = 200) -> Callable[[Serve], Serve]:
        return self._register("PATCH", path, scope, status)

    def delete(
        self, path: str, scope: str | None, *, status: int = 200, limit: str = limits.ALL
    ) -> Callable[[Serve], Serve]:
        return self._register("DELETE", path, scope, status, limit=limit)

    def __call__(self, event: dict[str, Any], _: object) -> dict[str, Any]:
        """Answers one request."""
        started = time.perf_counter()
        self.window = self._caller = self._said = None
        self._event = event
        self._headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        try:
            response = self._dispatch(self._method(), event["resource"])
        except Exception as error:
            response = self._answer_error(error)
        answer = response.wire(headers.common(settings().allowed_origin))
        answered = answer["multiValueHeaders"]
        answered["X-Request-Id"] = [self.request_id]
        if self.window:
            for name, value in self.window.headers(clock.now()).items():
                answered[name] = [value]
        write_line(
            "request",
            request_id=self.request_id,
            api=self.api,
            method=event["httpMethod"],
            route=event["resource"],
            status=response.status,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return answer

    @property
    def request_id(self) -> str:
        """The id of this request, as every answer spells it."""
        return f"req_{self._event['requestContext']['requestId']}"

    @property
    def asked(self) -> Mapping[str, str]:
        """The query parameters as they came."""
        return self._event.get("queryStringParameters") or {}

    @property
    def base_url(self) -> str:
        """The address of the API as its callers see it: by the setting, else as this request was sent to it."""
        if settings().base_url:
            return settings().base_url
        context, path = self._event["requestContext"], self._event["path"]
        base_path = str(context.get("path", path)).removesuffix(path)
        return f"https://{self.header('host', context.get('domainName'))}{base_path}"

    def header(self, name: str, default: Any = None) -> Any:
        """A header of the request; `name` in lower case."""
        return self._headers.get(name, default)

    def refuse_known(self, tag: str) -> None:
        """UnchangedError where an If-None-Match names this ETag, for a route that asks by POST.

        To any method but GET and HEAD a 304 is no answer: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
        """
        if _names(self.header("if-none-match", ""), tag):
            raise UnchangedError("The answer that you have, by its ETag, still holds: nothing was computed.")

    def answer(self, body: Shown, *, revision: int | None = None, tag: str | None = None) -> Response[Shown]:
        """The body as JSON. TooLargeError where Lambda could not carry it; an answer is never cut.

        With the `revision` of what it shows the answer has an ETag, and is a 304 where the caller has it already; a
        `tag` is one of another kind, with its quotes.
        """
        kept = {}
        if revision is not None:
            tag = f'"{revision}"'
        if tag is not None:
            kept = {"ETag": tag, "Cache-Control": headers.ASKED_AGAIN}
            if self.route.method == "GET" and _names(self.header("if-none-match", ""), kept["ETag"]):
                return Response(304, headers=kept)
        return self.send(body.model_dump_json(), kept)

    def send(self, text: str, kept: Mapping[str, str] | None = None) -> Response[Any]:
        """The text, which is JSON, as the answer of this route. TooLargeError where Lambda could not carry it."""
        # Lambda wraps the text in JSON, where a character takes up to six bytes; most answers are far below.
        if len(text) > MAX_ANSWER_BYTES // 6 and (size := len(json.dumps(text))) > MAX_ANSWER_BYTES:
            types = self.route.types
            asked = getattr(types.get("query", types.get("params")), "model_fields", {})
            raise TooLargeError(
                f"The answer has {size} bytes, more than the {MAX_ANSWER_BYTES} that can be sent: ask for fewer items.",
                field=next((name for name in ("per_page", "limit", "count") if name in asked), None),
                limit_bytes=MAX_ANSWER_BYTES,
            )
        return Response(self.route.status, JSON, text, kept or {})

    def once(
        self,
        make: Callable[[idempotency.Once[Made] | None], Made],
        show: Callable[[Made], Shown | str],
        spell: Callable[[bytes], str] | None = None,
    ) -> Response[Shown]:
        """Makes something and answers with it; under an Idempotency-Key once, and each time with the first answer.

        `show` makes a model of it, or JSON text. For `spell` see `idempotency.Once`.
        """
        key = self.header("idempotency-key")
        if key is None:
            return self.send(_json(show(make(None))))
        caller, event = self._caller, self._event
        if caller is None:
            raise TypeError("a route that is open to all can do nothing once")
        request: idempotency.Once[Made] = idempotency.Once(
            account=caller.account,
            route=f"{self.api} {self.route.method} {self.route.path}",
            key=idempotency.checked_key(key),
            # Another user, or a key of another project, must not be told the answer.
            fingerprint=idempotency.fingerprint(
                f"{caller.user} {caller.project} {event['path']}", self._said.said() if self._said else b""
            ),
            status=self.route.status,
            show=lambda made: _json(show(made)),
            spell=spell,
        )
        found = request.find()
        if found is None:
            try:
                return self.send(_json(show(make(request))))
            except (GuardError, FluvialError):
                # Perhaps the same request came at the same time, and what it made is in the way of this one.
                found = request.find()
                if found is None:
                    raise
        return cast(Response[Shown], Response(found.status, JSON, found.body, {"Idempotent-Replayed": "true"}))

    # ------------------------------------------------------------ how a route is served

    def _register(
        self,
        method: str,
        path: str,
        scope: str | None,
        status: int,
        also: tuple[int, ...] = (),
        limit: str = limits.ALL,
    ) -> Callable[[Serve], Serve]:
        def register(serve: Serve) -> Serve:
            route = Route(method, path, scope, status, also, limit, serve)
            self.routes.append(route)
            self._served[method, path] = route
            return serve

        return register

    def _method(self) -> str:
        """The method that is meant: a POST can name another one, where the API has that."""
        method = str(self._event["httpMethod"])
        meant = str(self.header("x-http-method-override", "")).strip().upper()
        return meant if self.tunnels and method == "POST" and meant in TUNNELLED else method

    def _dispatch(self, method: str, path: str) -> Response[Any]:
        route = self._served.get((method, path))
        if route is None:
            raise NotFoundError("route", self._event["path"])
        return self._serve(route, self._event.get("pathParameters") or {})

    def _serve(self, route: Route, in_path: Mapping[str, str]) -> Response[Any]:
        self.route = route
        arguments: dict[str, Any] = {}
        if route.scope is not None:
            # Counted and checked first, also where the function does not want to know who calls.
            self._caller = self._admit(route.scope, route.limit)
        for name, kind in route.types.items():
            if name == "caller":
                arguments[name] = self._caller
            elif name == "query":
                arguments[name] = self._query(kind)
            elif name == "body":
                arguments[name] = self._body(kind)
            elif name == "form":
                arguments[name] = self._form(kind)
            elif name == "params":
                arguments[name] = self._params(kind)
            elif name == "expected":
                arguments[name] = self._expected()
            elif name not in NOT_IN_THE_PATH:
                arguments[name] = route.path_value(name, in_path[name])
        answer: Response[Any] = route.serve(**arguments)
        return answer

    def _admit(self, scope: str, route_class: str) -> Caller:
        """Who calls, once the request is counted against the limit and the key has the scope."""
        caller = Caller.of_context(self._event["requestContext"]["authorizer"])
        try:
            self.window = limits.spend(caller, api=self.api, route_class=route_class)
        except limits.WindowUsedUpError as error:
            self.window = error.window
            raise
        except windows.UnreachableError:
            # Let through, without headers: the gateway's usage plan still holds.
            log.exception("limit not counted")
        caller.require(scope)
        if self.feature is not None:
            caller.require_feature(self.feature)
        return caller

    def _body(self, model: type[Request]) -> Request:
        """The JSON body, whatever its label says: some clients of these APIs send none or a wrong one."""
        try:
            # Nothing stands for an object without fields, so that a request with optional ones needs no body.
            text = self._bytes().decode() or "{}"
            found = model.read(text)
        except UnicodeDecodeError as error:
            raise InvalidError(None, f"The body is not valid UTF-8: {error.reason} at byte {error.start}.") from error
        except ValidationError as error:
            raise invalid(error) from error
        self._said = found
        return found

    def _query(self, model: type[Model]) -> Model:
        """The query parameters; those that the model does not know are left alone."""
        try:
            return model.model_validate({k: v for k, v in self.asked.items() if k in model.model_fields})
        except ValidationError as error:
            raise invalid(error) from error

    def _params(self, model: type[Request]) -> Request:
        """What query and body say together; parameters that the model does not know are left alone."""
        query = self._event.get("multiValueQueryStringParameters") or {k: [v] for k, v in self.asked.items()}
        given = params.merged(query, self._bytes(), self.header("content-type", ""))
        try:
            found = model.model_validate({k: v for k, v in given.items() if k in model.model_fields})
        except ValidationError as error:
            raise invalid(error) from error
        self._said = found
        return found

    def _form(self, model: type[Request]) -> Request:
        form = multipart.parse(self._bytes(), self.header("content-type", ""))
        try:
            found = model.model_validate({**form.fields, **form.files})
        except ValidationError as error:
            raise invalid(error) from error
        self._said = found
        return found

    def _expected(self) -> int | None:
        """The revision that the caller wants to change, by If-Match; None where any will do."""
        given = self.header("if-match", "*")
        if given == "*":
            return None
        found = REVISION.fullmatch(given)
        if found is None:
            allowed = 'an ETag as it was answered, such as "3", or *'
            raise InvalidError("If-Match", f"'If-Match' must be {allowed}.", value=given[:100], constraint=allowed)
        return int(found[1])

    def _bytes(self) -> bytes:
        body = self._event.get("body") or ""
        return base64.b64decode(body) if self._event.get("isBase64Encoded") else body.encode()

    def _answer_error(self, error: Exception) -> Response[str]:
        if not isinstance(error, FluvialError):
            log.exception("request %s failed", self.request_id)
        status, body = self.render(error if isinstance(error, FluvialError) else None, self.request_id)
        retry_after = getattr(error, "retry_after_seconds", None)
        more = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return Response(status, JSON, json.dumps(body, ensure_ascii=False), more)


def _json(shown: BaseModel | str) -> str:
    return shown if isinstance(shown, str) else shown.model_dump_json()


def _names(tags: str, tag: str) -> bool:
    """Whether an If-None-Match names the tag. Weak ones count: who compresses an answer on the way makes them weak."""
    return tag in {each.strip().removeprefix("W/").replace("*", tag) for each in tags.split(",")}


def make_app(api: str, render: Render, *, feature: str | None = None, tunnels: bool = False) -> App:
    """The app of one endpoint group. `api` names the limits' policies, `render` is the API's table of errors.

    An account without the `feature` (one of `accounts.FEATURES`) is refused. With `tunnels` a POST stands for the
    method that its `X-HTTP-Method-Override` names.
    """
    log.setLevel(settings().log_level)
    return App(api, render, feature, tunnels=tunnels)
