"""The whole document of an API."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from fluvial import VERSION
from fluvial.http import Id, Number, Route
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


def text(api: Api) -> str:
    """The file `openapi.json`."""
    return json.dumps(document(api), indent=1, ensure_ascii=False) + "\n"


def document(api: Api) -> dict[str, Any]:
    made, components = schemas.of([(("", "error"), "serialization", api.error_body), *_models(api)])
    answers = {name: schema for (name, part), schema in made.items() if part == "answer"}
    shown = examples.of(api, answers, components)
    paths: dict[str, dict[str, Any]] = {}
    for name, (group, route) in api.operations.items():
        operation = _Operation(name, route, made, components, shown.get(name, examples.Example()))
        written = {**operation.described(), "tags": [_words(group)], **operation.exchanged(api)}
        paths.setdefault(route.path.replace("+}", "}"), {})[route.method.lower()] = written
    called: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    if "webhooks" in api.groups:
        called = {"webhooks": events.webhooks()}
        components["WebhookPayload"] = events.PAYLOAD
        parameters = events.parameters()
    title, _, about = api.about.partition("\n")
    answered = refusals.responses(api.render, _headers_of_error)
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
    for name, (_, route) in api.operations.items():
        yield (name, "answer"), "serialization", route.answer
        for part in ("query", "body", "form"):
            if part in route.types:
                yield (name, part), "validation", route.types[part]


class _Operation:
    """One route as an operation."""

    def __init__(
        self,
        name: str,
        route: Route,
        made: dict[Key, Schema],
        components: dict[str, Schema],
        example: examples.Example,
    ) -> None:
        self.name = name
        self.route = route
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

    def exchanged(self, api: Api) -> dict[str, Any]:
        """Parameters, body and answers."""
        parameters = [*self._in_path(), *self._in_query(), *self._in_headers()]
        body = self._body()
        # Nothing stands for an object without fields.
        required = bool("form" in self.route.types or (body and self._required("body")))
        refused = refusals.statuses(self.route, api.render)
        return {
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": {"required": required, "content": body}} if body else {}),
            "responses": {
                str(self.route.status): self._success(),
                **{str(status): OTHERWISE[status] for status in self.route.also if status != self.route.status},
                **{str(status): {"$ref": f"#/components/responses/{refusals.component(status)}"} for status in refused},
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
                if isinstance(note, Id | Number):
                    schema["pattern"] = note.pattern
                    found["example"] = note.spell(examples.NUMBER) if isinstance(note, Id) else "1"
            yield found

    def _in_query(self) -> Iterator[dict[str, Any]]:
        if "query" not in self.route.types:
            return
        model = schemas.in_text(self._schema("query"), self.components)
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
        return self.route.method == "POST" and self.route.scope is not None and not asks

    def _in_headers(self) -> Iterator[dict[str, Any]]:
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
        if "body" in self.route.types:
            return {"application/json": {"schema": self._schema("body"), **example}}
        return {}

    def _success(self) -> dict[str, Any]:
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
        return {
            "description": "Success",
            "headers": _references(headers),
            "content": {_media_type(self.route.answer): {"schema": self._schema("answer"), **example}},
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
