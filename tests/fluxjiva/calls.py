"""The Fluxjiva API as its clients call it, through the handlers."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from fluvial import ids
from fluvial.caller import Caller
from fluxjiva import analyses, data_sources, projects
from fluxjiva.wire.common import PROJECT
from tests import factories
from tests.contract.client import multipart
from tests.factories import CONTEXT, request

GROUPS = (projects, data_sources, analyses)
CSV = b"city,n,price\nBonn,1,1.50\nKiel,2,2.25\nBonn,3,2.50\n"
QUERY = {
    "group_by": ["city"],
    "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
    "sort": [{"by": "revenue", "order": "desc"}],
}
STORED_QUERY = {
    "filters": [],
    "group_by": [{"column": "city", "bucket": None, "as": "city"}],
    "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
    "sort": [{"by": "revenue", "order": "desc"}],
    "limit": None,
}

Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """The API with one key."""

    caller: Caller

    def send(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """What the function answers that the gateway would ask; `arguments` are `factories.request`'s."""
        handler, resource, found = routed(method, path)
        event = request(method, resource, caller=self.caller, path=found or None, **arguments)
        answer: dict[str, Any] = handler(event, CONTEXT)
        return answer

    def call(self, method: str, path: str, **arguments: Any) -> Answer:
        answer = self.send(method, path, **arguments)
        return answer["statusCode"], json.loads(answer["body"])

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", path, query=query or None)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.call("POST", path, body=body, headers=headers)

    def put(self, path: str, body: object) -> Answer:
        return self.call("PUT", path, body=body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def upload(
        self, project: str, data: bytes | None = CSV, fields: dict[str, str] | None = None, filename: str = "data.csv"
    ) -> Answer:
        return self.call("POST", f"/projects/{project}/data-sources", **form(data, fields, filename))


def form(data: bytes | None, fields: dict[str, str] | None = None, filename: str = "data.csv") -> dict[str, Any]:
    """The arguments of a request that has this form as its body."""
    body, content_type = multipart(data, fields or {}, filename=filename)
    return {"raw": base64.b64encode(body).decode(), "base64": True, "headers": {"Content-Type": content_type}}


def routed(method: str, path: str) -> tuple[Any, str, dict[str, str]]:
    """Handler, route and path parameters; as at the gateway, the route with the fewest parameters wins."""
    fitting = []
    for group in GROUPS:
        for route in group.app.routes:
            found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path), path)
            if found and route.method == method:
                fitting.append((len(found.groupdict()), group.handler, route.path, found.groupdict()))
    _, handler, resource, parameters = min(fitting, key=lambda each: each[0])
    return handler, resource, parameters


def new_project(caller: Caller, name: str = "A project") -> str:
    return PROJECT.spell(factories.new_project(caller, name).id)


def refusal(code: str, message: str, **details: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": details}}


def absent(prefix: str) -> str:
    """An id that nothing has."""
    return ids.spell(prefix, ids.new_id())
