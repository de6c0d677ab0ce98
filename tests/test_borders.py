"""The borders of docs and design, as tests: what may import what."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import template
from tests.template import ROOT

CORE = ROOT / "layers" / "core" / "python"
FUNCTIONS = ROOT / "functions"
FOLDERS = sorted(path.name for path in FUNCTIONS.iterdir() if (path / "__init__.py").exists())
WORKERS_AND_AUTHORIZER = ("authorizer", "workers")
APIS = [folder for folder in FOLDERS if folder not in WORKERS_AND_AUTHORIZER]

HANDLERS = sorted(function["Handler"] for function in template.functions().values())
API_HANDLERS = [handler for handler in HANDLERS if handler.split(".")[0] in (*APIS, "authorizer")]
# The groups that open Parquet.
MAY_OPEN_THE_ENGINE = {"flarelight.rows.handler", "reference.rows.handler"}

MAY_REACH_AWS = ("aws.py", "blobs.py", "bus.py", "gateway.py", "machine.py", "scheduler.py", "store/")


def modules(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found
    return found


@cache
def imports(path: Path) -> frozenset[str]:
    """The full names of all that a module imports, wherever it does; relative imports are resolved."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    home = path.relative_to(CORE if path.is_relative_to(CORE) else FUNCTIONS).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(home[: -node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def top(name: str) -> str:
    return name.split(".")[0]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(CORE), ids=name_of)
def test_the_core_imports_nothing_from_functions(path: Path) -> None:
    assert {name for name in imports(path) if top(name) in FOLDERS} == set()


@pytest.mark.parametrize("path", modules(CORE) + modules(FUNCTIONS), ids=name_of)
def test_aws_is_reached_through_its_doors_only(path: Path) -> None:
    door = path.is_relative_to(CORE) and str(path.relative_to(CORE / "fluvial")).startswith(MAY_REACH_AWS)
    if not door:
        assert {name for name in imports(path) if top(name) in ("boto3", "botocore")} == set()


@pytest.mark.parametrize("path", modules(FUNCTIONS), ids=name_of)
def test_no_folder_of_functions_imports_another(path: Path) -> None:
    own = path.relative_to(FUNCTIONS).parts[0]
    assert {name for name in imports(path) if top(name) in FOLDERS and top(name) != own} == set()


@pytest.mark.parametrize("path", modules(CORE), ids=name_of)
def test_rules_know_nothing_of_http(path: Path) -> None:
    if not path.is_relative_to(CORE / "fluvial" / "http"):
        assert {
            name for name in imports(path) if name.startswith(("fluvial.http", "aws_lambda_powertools", "pydantic"))
        } == set()


@pytest.mark.parametrize("path", modules(CORE) + modules(FUNCTIONS), ids=name_of)
def test_what_is_deployed_imports_nothing_of_the_local_tools(path: Path) -> None:
    assert {name for name in imports(path) if top(name) == "local"} == set()


@pytest.mark.parametrize("path", modules(CORE) + modules(FUNCTIONS), ids=name_of)
def test_the_environment_is_read_in_one_place(path: Path) -> None:
    if path != CORE / "fluvial" / "config.py":
        read = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
        ]
        assert [node.lineno for node in read] == []


def test_the_workers_and_every_api_have_functions() -> None:
    assert {handler.split(".")[0] for handler in HANDLERS} == set(FOLDERS)


@pytest.mark.parametrize("handler", HANDLERS)
def test_every_handler_can_be_imported_alone(handler: str) -> None:
    loaded = imported_by(handler)
    if handler in API_HANDLERS and handler not in MAY_OPEN_THE_ENGINE:
        # The engine's layer is not there, and its libraries would be most of a cold start.
        assert [name for name in loaded if top(name) == "duckdb" or name.startswith("fluvial.engine")] == []
    if handler in API_HANDLERS:
        # botocore alone is enough, and boto3 a tenth of a cold start more.
        assert "boto3" not in loaded
        # For the OpenAPI document alone, which is made before.
        assert [name for name in loaded if name.endswith(".wire.errors")] == []
    if handler.endswith(".documentation.handler"):
        assert [name for name in loaded if ".wire" in name and top(name) in APIS] == []


def imported_by(handler: str) -> list[str]:
    """What a process has loaded once it has the handler, in an environment with no settings at all."""
    module, name = handler.rsplit(".", 1)
    code = (
        f"import importlib, json, sys; assert callable(importlib.import_module({module!r}).{name}); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    path = os.pathsep.join(map(str, (FUNCTIONS, CORE)))
    environment = {"PYTHONPATH": path, "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout)
    return loaded
