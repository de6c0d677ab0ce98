"""What is built for AWS: pinned layers, trimmed to what is used, bytecode, and a sample event of every function."""

from __future__ import annotations

import gzip
import importlib.util
import json
import py_compile
import re
import sys
from pathlib import Path

import pytest

from fluvial.http.documentation import SWAGGER_UI
from layers import after_build
from layers.dependencies import trim
from tests import template

ROOT = template.ROOT
VERSION = ".".join(map(str, sys.version_info[:2]))
HANDLERS = sorted(properties["Handler"] for properties in template.functions().values())


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("layer", ["dependencies", "engine", "rendering", "reports"])
def test_a_layer_has_the_versions_that_the_tests_run_with(layer: str) -> None:
    tested, shipped = (_pins(ROOT / path) for path in ("requirements/test.txt", f"layers/{layer}/requirements.txt"))

    assert shipped
    assert shipped <= tested


def test_a_layer_has_every_service_that_the_core_calls_and_no_other() -> None:
    called = {
        service
        for module in (ROOT / "layers" / "core").rglob("*.py")
        for service in re.findall(r'\bclient\("([a-z0-9-]+)"\)', module.read_text())
    }

    assert called == set(trim.SERVICES)


def test_trimming_leaves_the_services_in_use_without_their_manual(tmp_path: Path) -> None:
    data = tmp_path / "botocore" / "data"
    for service in (*trim.SERVICES, "braket"):
        (data / service / "2020-01-01").mkdir(parents=True)
    model = {"documentation": "<p>Long</p>", "shapes": {"documentation": {"type": "string", "documentation": "Long"}}}
    trim_me = data / "sqs" / "2020-01-01" / "service-2.json.gz"
    trim_me.write_bytes(gzip.compress(json.dumps(model).encode()))
    services = {"sqs": {"endpoints": {}}, "braket": {"endpoints": {}}}
    (data / "endpoints.json").write_text(json.dumps({"partitions": [{"services": services}]}))
    page = tmp_path / SWAGGER_UI.relative_to(SWAGGER_UI.parents[3]) / "swagger-ui-bundle.min.js"
    page.parent.mkdir(parents=True)
    page.write_text("shown by /docs")

    trim.trim(tmp_path)

    assert page.read_text() == "shown by /docs"
    assert {path.name for path in data.iterdir()} == {*trim.SERVICES, "endpoints.json"}
    assert json.loads((data / "endpoints.json").read_text()) == {
        "partitions": [{"services": {"sqs": {"endpoints": {}}}}]
    }
    assert not trim_me.exists()
    assert json.loads(trim_me.with_suffix("").read_text()) == {
        "documentation": "",
        "shapes": {"documentation": {"type": "string", "documentation": ""}},
    }


def test_trimming_stops_where_a_service_in_use_is_missing(tmp_path: Path) -> None:
    (tmp_path / "botocore" / "data").mkdir(parents=True)

    with pytest.raises(SystemExit, match="botocore has no apigateway"):
        trim.trim(tmp_path)


# ---------------------------------------------------------------- bytecode


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build as `sam build` leaves it."""
    (tmp_path / "SomeFunction").mkdir()
    (tmp_path / "SomeFunction" / "module.py").write_text("answer = 42\n")
    (tmp_path / "template.yaml").write_text("CoreLayer:\n  Properties:\n    ContentUri: ../../layers/core\n    X: y\n")
    return tmp_path


def test_the_built_template_has_a_core_layer_without_the_bytecode_of_this_host(built: Path) -> None:
    after_build.place_core(built)

    assert "    ContentUri: CoreLayer\n    X: y\n" in (built / "template.yaml").read_text()
    copied = {
        path.relative_to(built / "CoreLayer/python") for path in (built / "CoreLayer").rglob("*") if path.is_file()
    }
    assert Path("fluvial/http/app.py") in copied
    assert not [path for path in copied if path.suffix == ".pyc"]


def test_every_module_gets_bytecode_that_no_time_stamp_can_spoil(built: Path) -> None:
    target = after_build.find_target(VERSION)
    assert target is not None
    module = built / "SomeFunction" / "module.py"
    assert after_build.lacking(built, target) == [module]

    after_build.compile_all(built, target)

    assert after_build.lacking(built, target) == []
    compiled = Path(importlib.util.cache_from_source(str(module))).read_bytes()
    assert str(built).encode() not in compiled
    assert b"/var/task/module.py" in compiled


@pytest.mark.parametrize("wrong", ["time stamp", "magic number", "absent"])
def test_bytecode_that_the_runtime_would_not_take_counts_as_none(built: Path, wrong: str) -> None:
    module = built / "SomeFunction" / "module.py"
    target = after_build.Target(sys.executable, VERSION, importlib.util.MAGIC_NUMBER)
    if wrong == "time stamp":
        py_compile.compile(str(module), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    elif wrong == "magic number":
        after_build.compile_all(built, target)
        target = after_build.Target(sys.executable, VERSION, b"\0\0\r\n")

    assert after_build.lacking(built, target) == [module]


def test_a_python_that_is_not_here_is_not_found() -> None:
    assert after_build.find_target("3.4") is None


# ---------------------------------------------------------------- sizes

BUILT = """
Globals:
  Function:
    Layers:
    - Ref: CoreLayer
    - Ref: DependenciesLayer
Resources:
  CoreLayer:
    Type: AWS::Serverless::LayerVersion
  SmallFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: SmallFunction
  EngineFunction:
    Type: AWS::Serverless::Function
    Properties:
      Layers:
      - Ref: EngineLayer
      CodeUri: SmallFunction
  ReportsFunction:
    Type: AWS::Serverless::Function
    Properties:
      Layers: [!Ref ReportsLayer]
"""


@pytest.fixture
def sized(tmp_path: Path) -> Path:
    """A build with layers of so many bytes that no two large ones fit together."""
    (tmp_path / "template.yaml").write_text(BUILT)
    sizes = {"CoreLayer": 10, "DependenciesLayer": 20, "EngineLayer": 100, "ReportsLayer": 160, "SmallFunction": 5}
    for name, size in sizes.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_bytes(bytes(size))
    return tmp_path


def test_a_function_has_the_layers_of_all_and_its_own(sized: Path) -> None:
    every = {"CoreLayer", "DependenciesLayer"}
    assert after_build.layers_of(sized) == {
        "SmallFunction": every,
        "EngineFunction": every | {"EngineLayer"},
        "ReportsFunction": every | {"ReportsLayer"},
    }


def test_only_what_comes_together_counts_against_the_limit(sized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after_build, "MAX_UNZIPPED_BYTES", 195)
    assert list(after_build.report(sized, None))[-1].endswith("for ReportsFunction")
    monkeypatch.setattr(after_build, "MAX_UNZIPPED_BYTES", 194)
    with pytest.raises(SystemExit, match="no function of the size of ReportsFunction"):
        list(after_build.report(sized, None))


# ---------------------------------------------------------------- events


def test_every_function_has_an_event_and_every_event_a_function() -> None:
    events = {path.relative_to(ROOT / "events").with_suffix("") for path in (ROOT / "events").rglob("*.json")}

    assert {"/".join(handler.split(".")[:-1]) for handler in HANDLERS} == {path.as_posix() for path in events}


@pytest.mark.parametrize("name", template.functions())
def test_the_event_of_an_api_function_is_for_one_of_its_routes(name: str) -> None:
    properties = template.functions()[name]
    routes = {
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for event in properties.get("Events", {}).values()
        if event["Type"] == "Api"
    }
    path = ROOT.joinpath("events", *properties["Handler"].split(".")[:-1]).with_suffix(".json")
    event = json.loads(path.read_text())

    assert not routes or (event["httpMethod"], event["resource"]) in routes


def _pins(path: Path) -> set[str]:
    """The requirements with their exact versions."""
    return set(re.findall(r"^[a-z0-9._-]+==\S+", path.read_text(), flags=re.MULTILINE))
