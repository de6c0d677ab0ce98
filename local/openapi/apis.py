"""The APIs and their groups, as template.yaml has them."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from samtranslator.yaml_helper import yaml_parse

from fluvial.http import App, Render, Route
from local import state

ROOT = state.ROOT
FUNCTIONS = ROOT / "functions"
NOT_DOCUMENTED = "documentation"
"""The group that serves the document: it is about the API, not of it."""

SECURITY = {"Authorization": "key", "X-Api-Key": "apiKey", "X-Subscription-Id": "subscription"}
SCHEMES = {
    "Authorization": {"type": "http", "scheme": "bearer", "description": "An API key: `flv_…`"},
    "X-Api-Key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "An API key: `flv_…`"},
    "X-Subscription-Id": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Subscription-Id",
        "description": "The UUID of the key's subscription",
    },
}


@dataclass(frozen=True, slots=True)
class Api:
    """An API: `groups` are the modules of its functions by name, in the order of the template."""

    name: str
    groups: dict[str, ModuleType]

    @property
    def folder(self) -> Path:
        return FUNCTIONS / self.name

    @property
    def file(self) -> Path:
        return self.folder / "openapi.json"

    @property
    def apps(self) -> dict[str, App]:
        """The app of each group."""
        return {name: module.app for name, module in self.groups.items()}

    @property
    def about(self) -> str:
        return (self.folder / "about.md").read_text().strip()

    @property
    def operations(self) -> dict[str, tuple[str, Route]]:
        """Group and route by the operation's name: the function's, with where it is if it serves several routes."""
        routes = [(group, route) for group, module in self.groups.items() for route in module.app.routes]
        times = Counter(route.serve.__name__ for _, route in routes)
        named = {}
        for group, route in routes:
            name = route.serve.__name__
            if times[name] > 1:
                name = f"{name}_at_{route.path.split('/')[1].replace('-', '_')}"
            if name in named:
                raise SystemExit(f"make openapi: two operations of {self.name} are called {name}")
            named[name] = group, route
        return named

    @property
    def security(self) -> dict[str, dict[str, str]]:
        """What every request has to have, by the headers that its authorizer reads."""
        resource = next(each for name, each in _resources().items() if name.lower() == f"{self.name}api")
        headers = resource["Properties"]["Auth"]["Authorizers"]["Keys"]["Identity"]["Headers"]
        return {SECURITY[header]: SCHEMES[header] for header in headers}

    @property
    def render(self) -> Render:
        """How the API words errors; groups may word them differently, but of one status and shape."""
        app: App = next(iter(self.groups.values())).app
        return app.render

    def refusal_of(self, group: str) -> type[BaseModel] | None:
        """The shape of a group's errors where it is not the API's: `Refusal` among the shapes of the group."""
        return getattr(getattr(self.groups[group], "shapes", None), "Refusal", None)

    def refused_by(self, group: str) -> list[int]:
        """The statuses with which a group of that kind refuses."""
        app: App = self.groups[group].app
        table: dict[Any, tuple[int, str]] = self.groups[group].TABLE
        return sorted({status for status, _ in table.values()} | {app.render(None, "")[0]})

    @property
    def error_body(self) -> type[BaseModel]:
        model: type[BaseModel] = importlib.import_module(f"{self.name}.wire.errors").ErrorBody
        return model


def names() -> list[str]:
    """Every API that has functions in the template."""
    return list(dict.fromkeys(folder for folder, _ in _modules()))


def load(name: str) -> Api:
    """The API of this name, its modules imported."""
    modules = {group: importlib.import_module(f"{name}.{group}") for folder, group in _modules() if folder == name}
    return Api(name, {group: module for group, module in modules.items() if isinstance(module.app, App)})


@cache
def _resources() -> dict[str, dict[str, Any]]:
    template: dict[str, dict[str, Any]] = yaml_parse((ROOT / "template.yaml").read_text())
    return template["Resources"]


@cache
def _modules() -> list[tuple[str, str]]:
    """Folder and module of every function that has an API's routes, in the order of the template."""
    found = []
    for resource in _resources().values():
        if resource["Type"] == "AWS::Serverless::Function":
            folder, module, _ = resource["Properties"]["Handler"].split(".")
            if module != NOT_DOCUMENTED and (FUNCTIONS / folder / "errors.py").is_file():
                found.append((folder, module))
    return found
