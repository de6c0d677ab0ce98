"""The Fluxx API as its clients call it, through the handlers, with an access token as the authorizer takes it."""

from __future__ import annotations

import base64
import importlib
import json
import re
import secrets
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlencode

from fluvial import accounts, tokens
from fluvial.caller import Caller
from tests import factories, template
from tests.contract.client import multipart
from tests.factories import CONTEXT, request

FORM = "application/x-www-form-urlencoded"

Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """What an application signs in with."""

    client_id: str
    client_secret: str

    def fields(self, **more: str) -> dict[str, str]:
        """The parameters of a request for a token."""
        both = {"client_id": self.client_id, "client_secret": self.client_secret}
        return {"grant_type": "client_credentials", **both, **more}

    def token(self) -> str:
        return tokens.issue(self.client_id, self.client_secret).text


@dataclass(frozen=True, slots=True)
class Api:
    """The API with one credential. Paths are whole, such as `/api/rest/v2/user/list`."""

    caller: Caller

    def send(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """What the function answers that the gateway would ask; `arguments` are `factories.request`'s."""
        handler, resource, found = routed(method, path)
        event = request(method, resource, caller=self.caller, path=found or None, **arguments)
        answer: dict[str, Any] = handler(event, CONTEXT)
        return answer

    def call(self, method: str, path: str, **arguments: Any) -> Answer:
        """Status and body; numbers with a point are Decimals, as exact as they were sent."""
        answer = self.send(method, path, **arguments)
        return answer["statusCode"], json.loads(answer["body"], parse_float=Decimal)

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", path, query=query or None)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        """A POST of JSON."""
        return self.call("POST", path, body=body, headers=headers)

    def put(self, path: str, body: object) -> Answer:
        return self.call("PUT", path, body=body)

    def delete(self, path: str, **query: str) -> Answer:
        return self.call("DELETE", path, query=query or None)

    def post_form(self, path: str, **fields: object) -> Answer:
        """A POST of an urlencoded form, the most usual; what is no text is sent as JSON text."""
        return self.call("POST", path, **form(fields))

    def put_form(self, path: str, **fields: object) -> Answer:
        return self.call("PUT", path, **form(fields))


def form(fields: dict[str, object]) -> dict[str, Any]:
    """The arguments of a request that has this urlencoded form as its body."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return {"raw": urlencode(texts), "headers": {"Content-Type": FORM}}


def multipart_form(fields: dict[str, str], data: bytes | None = None, filename: str = "data.txt") -> dict[str, Any]:
    """The arguments of a request that has this multipart form as its body, with a file in `content` if there is one."""
    body, content_type = multipart(data, fields, filename=filename, part="content")
    return {"raw": base64.b64encode(body).decode(), "base64": True, "headers": {"Content-Type": content_type}}


@cache
def routes() -> list[tuple[str, str, str]]:
    """Method, path and module of each route, as the gateway has them."""
    return [
        (event["Properties"]["Method"].upper(), event["Properties"]["Path"], function["Handler"].rpartition(".")[0])
        for function in template.functions().values()
        for event in function.get("Events", {}).values()
        if function["Handler"].startswith("fluxx.")
    ]


def routed(method: str, path: str) -> tuple[Any, str, dict[str, str]]:
    """Handler, route and path parameters; as at the gateway, the route with the fewest parameters wins."""
    fitting = []
    for wanted, resource, module in routes():
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", resource), path)
        if found and wanted == method:
            fitting.append((len(found.groupdict()), module, resource, found.groupdict()))
    _, module, resource, parameters = min(fitting, key=lambda each: each[0])
    return importlib.import_module(module).handler, resource, parameters


def new_account(plan: str = "professional", **more: Any) -> accounts.Opened:
    return accounts.create(email=f"{secrets.token_hex(6)}@example.com", plan=plan, **more)


def client_of(opened: accounts.Opened) -> Client:
    """The first application of an account."""
    return Client(opened.application.client_id, opened.client_secret)


def caller_of(client: Client) -> Caller:
    """Who calls with a new token of the application, as the authorizer finds it."""
    return factories.caller_of(client.token())


def refusal(message: object, code: int = 100) -> dict[str, Any]:
    """The body of an error; what is no text is JSON text in it."""
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    return {"error": {"code": code, "message": text}}
