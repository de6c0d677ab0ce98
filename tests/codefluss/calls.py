"""The Codefluss API as its clients call it, through the handlers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from codefluss import components, pages, preview, projects, sections, versions
from codefluss.wire.common import PAGE, PROJECT, SECTION
from fluvial import ids, sites
from fluvial.caller import Caller
from fluvial.store import keys, table
from tests.factories import CONTEXT, request
from tests.workers.test_publish_site import run

GROUPS = (projects, pages, sections, components, versions, preview)

Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """The API with one key, or with none."""

    caller: Caller | None

    def send(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """What the function answers that the gateway would ask; `arguments` are `factories.request`'s."""
        handler, resource, found = routed(method, path)
        event = request(method, resource, caller=self.caller, path=found or None, **arguments)
        answer: dict[str, Any] = handler(event, CONTEXT)
        return answer

    def call(self, method: str, path: str, **arguments: Any) -> Answer:
        """Status and body, without the `meta` that is another one in each answer."""
        answer = self.send(method, path, **arguments)
        body = json.loads(answer["body"])
        if answer["statusCode"] < 300:
            meta = body.pop("meta")
            assert meta["requestId"] == answer["multiValueHeaders"]["X-Request-Id"][0]
            assert body.pop("success") is True
        return answer["statusCode"], body

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", path, query=query or None)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.call("POST", path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def put(self, path: str, body: object, **headers: str) -> Answer:
        return self.call("PUT", path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def delete(self, path: str, **query: str) -> Answer:
        return self.call("DELETE", path, query=query or None)

    def made(self, path: str, body: object) -> dict[str, Any]:
        """What a POST that succeeds makes."""
        status, answer = self.post(path, body)
        assert status in (200, 201, 202), answer
        data: dict[str, Any] = answer["data"]
        return data

    def new_project(self, name: str = "My Website") -> str:
        made: str = self.made("/projects", {"name": name})["id"]
        return made

    def new_page(self, project: str, title: str = "Home", **fields: Any) -> str:
        made: str = self.made(f"/projects/{project}/pages", {"title": title, **fields})["id"]
        return made

    def new_section(self, page: str, type: str = "text", **fields: Any) -> str:
        made: str = self.made(f"/pages/{page}/sections", {"type": type, **fields})["id"]
        return made

    def published(self, project: str) -> int:
        """The number of a new version, which the worker has made."""
        number: int = self.made(f"/projects/{project}/publish", {})["version"]
        assert self.caller is not None
        assert run(sites.get(self.caller, PROJECT.parse(project), number)) == []
        return number


def routed(method: str, path: str) -> tuple[Any, str, dict[str, str]]:
    """Handler, route and path parameters; as at the gateway, the route with the fewest parameters wins."""
    fitting = []
    for group in GROUPS:
        for route in group.app.routes:
            pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", re.sub(r"{(\w+)\+}", r"(?P<\1>.+)", route.path))
            found = re.fullmatch(pattern, path)
            if found and route.method == method:
                fitting.append((len(found.groupdict()), group.handler, route.path, found.groupdict()))
    _, handler, resource, parameters = min(fitting, key=lambda each: each[0])
    return handler, resource, parameters


def refusal(code: str, message: str, **details: Any) -> dict[str, Any]:
    return {"success": False, "error": {"code": code, "message": message, "details": details}}


def invalid(thing: str, field: str, reason: str) -> Answer:
    return 400, refusal("VALIDATION_ERROR", f"Invalid {thing} {field}", field=field, reason=reason)


def gone(kind: str, name: str, **details: str) -> Answer:
    return 404, refusal("NOT_FOUND", f"No {kind} '{name}' exists.", **details)


def absent(prefix: str) -> str:
    """An id that nothing has."""
    return ids.spell(prefix, ids.new_id())


def events_of(caller: Caller) -> list[str]:
    return [item["event_type"] for item in table.query(keys.listed(caller.account, "events"))]


def page_id(text: str) -> int:
    return PAGE.parse(text)


def section_id(text: str) -> int:
    return SECTION.parse(text)
