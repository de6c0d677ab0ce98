"""The whole document of an API."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, get_args, get_origin

from pydantic import WithJsonSchema

from fluvial import VERSION
from fluvial.http import App, Id, Number, Route
from fluvial.http.app import JSON, TUNNELLED
from local.openapi import events, examples, refusals, schemas
from local.openapi.apis import Api
from local.openapi.schemas import Key, Mode, Schema

HEADERS: dict[str, tuple[str, Schema]] = {
    "X-Request-Id": ("Finds this request in the logs.", {"type": "string"}),
    "X-RateLimit-Limit": ("Requests of the current window.", {"type": "integer"}),
    "X-RateLimit-Remaining": ("What is left of them.", {"type": "integer"}),
    "X-RateLimit-Reset": ("When the next window begins, in seconds since 1970.", {"type": "integer"}),
    "RateLimit": ("What is left and for how long, as the IETF's draft writes it.", {"type": "string"}),
    "RateLimit-Policy": ("The limit and its window, as the IETF's draft writes it.", {"type": "string"}),
    "Retry-After": ("Seconds to wait.", {"type": "integer"}),
    "ETag": ("The revision of what is shown, for If-Match and If-None-Match.", {"type": "string"}),
    "Idempotent-Replayed": ("`true` where this is the first answer again.", {"type": "string", "const": "true"}),
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of what the caller has: answered with a 304 where it still holds.",
    "schema": {"type": "string"},
}
# What is answered beside successes and errors.
OTHERWISE: dict[int, dict[str, Any]] = {
    302: {
        "description": "It is elsewhere.",
        "headers": {"Location": {"description": "Where.", "schema": {"type": "string"}}},
    },
    304: {
        "description": "What the caller has still holds.",
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
    },
}
WITHOUT_BODY = ("GET", "HEAD", "DELETE")
OF_THE_LIMIT = [name for name in HEADERS if "RateLimit" in name]

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request under the same key has its effect once, and the same answer each time.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of what the caller has read: refused where it was changed since. Without it, or with `*`, "
    "the change is made in any case.",
    "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[0-9]{1,15}")$'},
    "example": '"3"',
}

OVERRIDE = {
    "name": "X-HTTP-Method-Override",
    "in": "header",
    "description": "The method that this request stands for.",
    "required": True,
    "schema": {"type": "string", "enum": list(TUNNELLED)},
}


def text(api: Api) -> str:
    """The file `openapi.json`."""
    return json.dumps(document(api), indent=1, ensure_ascii=False) + "\n"


def document(api: Api) -> dict[str, Any]:
    made, components = schemas.of([(("", "error"), "serialization", api.error_body), *_models(api)])
    answers = {name: schema for (name, part), schema in made.items() if part == "answer"}
    shown = examples.of(api, answers, components)
    paths: dict[str, dict[str, Any]] = {}
    for name, (group, route) in api.operations.items():
        operation = _Operation(name, route, api.apps[group], made, components, shown.get(name, examples.Example()))
        written = {**operation.described(), "tags": [_words(group)], **operation.exchanged(api, group)}
        paths.setdefault(route.path.replace("+}", "}"), {})[route.method.lower()] = written
    called: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    if "webhooks" in api.groups:
        called = {"webhooks": events.webhooks()}
        components["WebhookPayload"] = events.PAYLOAD
        parameters = events.parameters()
    title, _, about = api.about.partition("\n")
    renders = {id(app.render): app.render for group, app in api.apps.items() if not api.refusal_of(group)}
    answered = refusals.responses(
        list(renders.values()), _headers_of_error, versioned=refusals.versioned(api.operations)
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": title.removeprefix("# "), "version": VERSION, "description": about.strip()},
        # Relative to the document's own address, which is `<base>/openapi.json`.
        "servers": [{"url": ".", "description": "where this document is served"}],
        "security": [{name: [] for name in api.security}],
        "tags": [
            {"name": _words(group), "description": _sentence(inspect.getdoc(module) or "")}
            for group, module in api.groups.items()
        ],
        "paths": paths,
        **called,
        "components": {
            "schemas": dict(sorted(schemas.in_use([paths, called, answered], components).items())),
            "responses": answered,
            **({"parameters": parameters} if parameters else {}),
            "headers": {name: {"description": why, "schema": schema} for name, (why, schema) in HEADERS.items()},
            "securitySchemes": api.security,
        },
    }


def _models(api: Api) -> Iterator[tuple[Key, Mode, Any]]:
    for name, (group, route) in api.operations.items():
        yield (name, "answer"), "serialization", route.answer
        if refusal := api.refusal_of(group):
            yield (name, "refusal"), "serialization", refusal
        for part in ("query", "body", "form", "params"):
            if part in route.types:
                yield (name, part), "validation", route.types[part]


class _Operation:
    """One route as an operation."""

    def __init__(
        self,
        name: str,
        route: Route,
        app: App,
        made: dict[Key, Schema],
        components: dict[str, Schema],
        example: examples.Example,
    ) -> None:
        self.name = name
        self.route = route
        self.app = app
        self.made = made
        self.components = components
        self.example = example

    def described(self) -> dict[str, Any]:
        """What it is called, what it does, and what the key needs."""
        said = (inspect.getdoc(self.route.serve) or "").split("\n\n")
        scope = self.route.scope
        needed = "Open to all: no key is needed." if scope is None else f"The key needs the scope `{scope}`."
        return {
            "operationId": self.name,
            # Plain text in OpenAPI; only descriptions are Markdown.
            "summary": " ".join(said[0].split()).removesuffix(".").replace("`", ""),
            "description": "\n\n".join([*said[1:], needed]),
            "x-scope": scope,
            **({"security": []} if scope is None else {}),
        }

    def exchanged(self, api: Api, group: str) -> dict[str, Any]:
        """Parameters, body and answers."""
        parameters = [*self._in_path(), *self._in_query(), *self._in_headers()]
        body = self._body()
        # Nothing stands for an object without fields.
        sent = "params" if "params" in self.route.types else "body"
        required = bool("form" in self.route.types or (body and self._required(sent)))
        own = self._refusals(api.refused_by(group)) if api.refusal_of(group) else {}
        refused = [refusals.TIMED_OUT] if own else refusals.statuses(self.route, self.app.render)
        # An API may tell errors with the status of a success.
        others = [status for status in refused if status != self.route.status]
        return {
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": {"required": required, "content": body}} if body else {}),
            "responses": {
                str(self.route.status): self._success(or_error=others != refused),
                **{str(status): self._otherwise(status) for status in self.route.also if status != self.route.status},
                **own,
                **{
                    str(status): {"$ref": f"#/components/responses/{refusals.component(status)}"}
                    for status in others
                    if status not in self.route.also
                },
            },
        }

    def _required(self, part: str) -> bool:
        changes = "minProperties" in schemas.resolved(self._schema(part), self.components)
        return changes or any(field.is_required() for field in self.route.types[part].model_fields.values())

    def _schema(self, part: str) -> Schema:
        return self.made[self.name, part]

    def _in_path(self) -> Iterator[dict[str, Any]]:
        for name in refusals.PARAMETER.findall(self.route.path):
            schema: Schema = {"type": "string"}
            found: dict[str, Any] = {"name": name, "in": "path", "required": True, "schema": schema}
            for note in getattr(self.route.types[name], "__metadata__", ()):
                if isinstance(note, WithJsonSchema):
                    schema.update(note.json_schema or {})
                    (found["example"],) = schema.pop("examples")
                if isinstance(note, Id | Number):
                    schema["pattern"] = note.pattern
                    found["example"] = note.spell(examples.NUMBER) if isinstance(note, Id) else "1"
            yield found

    def _in_query(self) -> Iterator[dict[str, Any]]:
        part = "params" if self.route.method in WITHOUT_BODY else "query"
        if part not in self.route.types and (part := "query") not in self.route.types:
            return
        if part == "params":
            model = schemas.in_params(self._schema(part), self.components, text=True)
        else:
            model = schemas.in_text(self._schema(part), self.components)
        for name, schema in model["properties"].items():
            why = schema.pop("description", None)
            yield {
                "name": name,
                "in": "query",
                **({"description": why} if why else {}),
                "required": name in model.get("required", []),
                "schema": schema,
            }

    def _has_effect_once(self) -> bool:
        """Whether it reads Idempotency-Key: a POST does that does not only ask."""
        asks = (self.route.scope or "").endswith(":read") and "once" not in inspect.getsource(self.route.serve)
        return self.route.method == "POST" and self.route.scope is not None and not asks and not self._tunnels()

    def _tunnels(self) -> bool:
        """Whether it is a POST that only stands for another method."""
        same = [each.method for each in self.app.routes if each.path == self.route.path]
        return self.app.tunnels and self.route.method == "POST" and set(TUNNELLED) <= set(same)

    def _in_headers(self) -> Iterator[dict[str, Any]]:
        if self._tunnels():
            yield OVERRIDE
        if self._has_effect_once():
            yield IDEMPOTENCY_KEY
        if "expected" in self.route.types:
            yield IF_MATCH
        if 304 in self.route.also:
            yield IF_NONE_MATCH

    def _body(self) -> dict[str, Any]:
        example = {} if self.example.sent is None else {"example": self.example.sent}
        if "form" in self.route.types:
            form = schemas.in_text(self._schema("form"), self.components)
            return {"multipart/form-data": {"schema": form, **example}}
        if "params" in self.route.types and self.route.method not in WITHOUT_BODY:
            fields, whole = (
                schemas.in_params(self._schema("params"), self.components, text=text) for text in (True, False)
            )
            files = [name for name, field in whole["properties"].items() if field.get("format") == "binary"]
            forms = {"multipart/form-data": {"schema": fields}} if files else {}
            for name in files:
                fields = {**fields, "properties": {**fields["properties"]}}
                del fields["properties"][name], whole["properties"][name]
            return {
                "application/x-www-form-urlencoded": {"schema": fields},
                **forms,
                "application/json": {"schema": whole, **example},
            }
        if "body" in self.route.types:
            return {"application/json": {"schema": self._schema("body"), **example}}
        return {}

    def _refusals(self, statuses: list[int]) -> dict[str, Any]:
        """The answers of a group that tells errors in its own way."""
        content = {"application/json": {"schema": self._schema("refusal")}}
        return {
            str(status): {
                "description": HTTPStatus(status).phrase,
                "headers": _headers_of_error(status),
                "content": content,
            }
            for status in statuses
        }

    def _otherwise(self, status: int) -> dict[str, Any]:
        """An answer beside successes: one that leads elsewhere, or an error in the form of the answer."""
        if status in OTHERWISE:
            return OTHERWISE[status]
        content = {_media_type(self.route.answer): {"schema": self._schema("answer")}, **refusals.CONTENT}
        return {"description": HTTPStatus(status).phrase, "headers": _headers_of_error(status), "content": content}

    def _success(self, *, or_error: bool) -> dict[str, Any]:
        headers = ["X-Request-Id"]
        if self.route.scope is not None:
            headers += OF_THE_LIMIT
            if self._has_effect_once():
                headers.append("Idempotent-Replayed")
        if self.route.status in OTHERWISE:
            return OTHERWISE[self.route.status]
        if 304 in self.route.also:
            headers.append("ETag")
        example = {} if self.example.answered is None else {"example": self.example.answered}
        schema, media_type = self._schema("answer"), _media_type(self.route.answer)
        content = {media_type: {"schema": schema, **example}}
        if or_error and media_type == JSON:
            content = {media_type: {"schema": {"anyOf": [schema, refusals.BODY]}, **example}}
        elif or_error:
            content |= refusals.CONTENT
        return {
            "description": "Success, or an error" if or_error else "Success",
            "headers": _references(headers),
            "content": content,
        }


def _media_type(answer: Any) -> str:
    """JSON; of text, what `Annotated[str, "text/html"]` says."""
    if get_origin(answer) is Annotated and get_args(answer)[0] is str:
        return next(note for note in get_args(answer)[1:] if isinstance(note, str))
    return "*/*" if answer is str else "application/json"


def _headers_of_error(status: int) -> dict[str, Any]:
    return _references(["X-Request-Id", *(["Retry-After"] if status == 429 else [])])


def _references(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _sentence(text: str) -> str:
    """The first sentence: what follows is for those who read the code."""
    return re.split(r"(?<=\.)\s", " ".join(text.split()))[0]


def _words(group: str) -> str:
    return group.replace("_", " ").capitalize()
