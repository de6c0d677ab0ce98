"""The Flarelight API as its clients call it, through the handlers."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from fluvial import ids
from fluvial.caller import Caller
from fluvial.http import App
from tests import factories, template
from tests.factories import CONTEXT, request

Answer = tuple[int, Any]


@cache
def groups() -> tuple[ModuleType, ...]:
    """The modules of the API's functions, as the template has them."""
    modules = [importlib.import_module(name) for name in dict.fromkeys(module for module, _, _ in _routes())]
    return tuple(module for module in modules if isinstance(module.app, App))


@cache
def _routes() -> tuple[tuple[str, str, str], ...]:
    """Module, method and path of every route of the API."""
    return tuple(
        (function["Handler"].rsplit(".", 1)[0], event["Properties"]["Method"], event["Properties"]["Path"])
        for function in template.functions().values()
        if function["Handler"].startswith("flarelight.")
        for event in function["Events"].values()
    )


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

    def put(self, path: str, body: object, **headers: str) -> Answer:
        return self.call("PUT", path, body=body, headers=headers)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


def routed(method: str, path: str) -> tuple[Any, str, dict[str, str]]:
    """Handler, route and path parameters; as at the gateway, the route with the fewest parameters wins."""
    fitting = []
    for module, its_method, its_path in _routes():
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", its_path), path)
        if found and its_method == method:
            fitting.append((len(found.groupdict()), module, its_path, found.groupdict()))
    _, module, resource, parameters = min(fitting, key=lambda each: each[0])
    return importlib.import_module(module).handler, resource, parameters


def new_project(caller: Caller, name: str = "A project") -> str:
    return ids.uuid(ids.PROJECT, factories.new_project(caller, name).id)


def refusal(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    return {"data": None, "messages": [{"type": "error", "code": code, "message": message, "field": field}]}


def absent(prefix: str) -> str:
    """An id that nothing has."""
    return ids.uuid(prefix, ids.new_id())
