"""Functions in the runtime's own image by `sam local invoke`, with the layers that `make build` makes.

They reach a stack on the emulator, whose own functions get no events here: what a worker does in these tests, the one
in the container has done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from fluvial import ids
from local import aws, server, stack
from local.client import Client
from local.state import Stack
from tests import template
from tests.sam import samples
from tests.sam.cli import TIMEOUT_SECONDS, Cli, served
from tests.sam.relay import relay
from tests.stack.conftest import shared

ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"
PARAMETERS = f"Runtime=python3.13 Architecture={ARCHITECTURE}"
SAM = template.ROOT / ".venv-sam" / "bin" / "sam"

# Read here, for the tests themselves run without any of these variables.
REQUIRED = os.environ.get("FLUVIAL_REQUIRE_SAM") == "1"
OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FLUVIAL_", "MAKE"))}
OUTSIDE |= {
    "AWS_ACCESS_KEY_ID": server.ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": server.SECRET_KEY,
    "AWS_DEFAULT_REGION": server.REGION,
    "SAM_CLI_TELEMETRY": "0",
}


def missing() -> str | None:
    """What these tests need and this machine does not have; None where all is there."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    if not _succeeds("docker", "info"):
        return "the Docker engine does not answer"
    if not _succeeds("docker", "image", "inspect", IMAGE):
        return f"the image is not here; get it with: docker pull {IMAGE}"
    if not SAM.exists():
        return "the SAM CLI is not here; get it with: make .venv-sam/stamp"
    return None


@dataclass(frozen=True, slots=True)
class Sam:
    """The built functions, and the stack that they work on."""

    stack: Stack
    folder: Path
    endpoint_url: str
    """The emulator as containers reach it."""
    cli: Cli

    def invoke(self, handler: str, **made: int | str) -> Any:
        """What the function answers to its sample event, about the things that were made."""
        (name,) = (name for name, properties in template.functions().items() if properties["Handler"] == handler)
        event = json.dumps(samples.event_of(handler, **made))
        environment = self.folder / f"{name}-{secrets.token_hex(4)}.json"
        environment.write_text(json.dumps({name: self._environment(name)}))
        done = self.cli.run(
            *("local", "invoke", name, "--event", "-", "--skip-pull-image", "--parameter-overrides", PARAMETERS),
            *("--template", str(self.folder / "build" / "emulator.json"), "--env-vars", str(environment)),
            *("--layer-cache-basedir", str(self.folder / "layers")),
            given=event,
        )
        print(done.stderr)  # which pytest shows where a test fails
        lines = done.stdout.strip().splitlines()
        assert done.returncode == 0
        assert lines
        answer = json.loads(lines[-1])
        assert not (isinstance(answer, dict) and "errorType" in answer)
        return answer

    def on_emulator(self, handler: str, **made: int | str) -> None:
        """The same on the emulator: for what has to have happened before."""
        (name,) = (name for name, properties in template.functions().items() if properties["Handler"] == handler)
        payload = json.dumps(samples.event_of(handler, **made))
        answer = self.client("lambda").invoke(FunctionName=self.stack.resources[name], Payload=payload)
        assert "FunctionError" not in answer, answer["Payload"].read()

    def client(self, service: str) -> Any:
        return aws.client(service, self.stack.port)

    def new_account(self) -> Account:
        made = stack.create_account(self.stack, f"{secrets.token_hex(6)}@example.com", "professional")
        client = Client(self.stack.base_url("reference"), made["api_key"])
        (key,) = client.get("/keys")["data"]
        account = {
            "account": _number(made["account_id"]),
            "user": _number(made["user_id"]),
            "key": _number(key["id"]),
        }
        return Account(account, made["email"], made["api_key"], client)

    def received(self, queue: str, known_by: str) -> dict[str, Any]:
        """The message of the queue that contains this text."""
        sqs, url = self.client("sqs"), self.stack.resources[queue]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages"):
            for message in messages:
                if known_by in message["Body"]:
                    body: dict[str, Any] = json.loads(message["Body"])
                    return body
        raise AssertionError(f"{queue} has no message with {known_by}")

    def _environment(self, name: str) -> dict[str, str]:
        """The variables that the template gives the function, as they were resolved for the emulator's."""
        configuration = self.client("lambda").get_function_configuration(FunctionName=self.stack.resources[name])
        return {**configuration["Environment"]["Variables"], "AWS_ENDPOINT_URL": self.endpoint_url}


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the stack. `ids` are those that an event's caller has."""

    ids: dict[str, int]
    email: str
    secret: str
    client: Client

    def new_project(self) -> int:
        return _number(self.client.post("/projects", {"name": "Tide gauges"})["id"])

    def upload(self, project: int, file: Path) -> dict[str, int]:
        """Uploads the file; returns the ids of the dataset, which nobody ingests, and of its job."""
        data = self.client.upload(ids.spell(ids.PROJECT, project), file, lambda _: None)
        job = self.client.get(f"/data/{data['id']}")["job_id"]
        return {"dataset": _number(data["id"]), "job": _number(job)}


@pytest.fixture(scope="session")
def sam(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Sam]:
    reason = missing()
    if reason is not None:
        reason = f"functions are not run in the runtime's image: {reason}"
        if REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent
    build(folder)
    with (
        shared("sam", folder, auth=False, at_end=lambda: remove_images(folder)) as running,
        relay(running.port) as address,
    ):
        silence(running)
        # SAM asks for its account, which takes seconds where nobody answers.
        environment = {**OUTSIDE, "AWS_ENDPOINT_URL": running.endpoint_url}
        with served(SAM.with_name("python"), environment, tmp_path_factory.mktemp("sam")) as cli:
            yield Sam(running, folder, f"http://{address}", cli)


def build(folder: Path) -> None:
    """Builds all for this machine's processor, once per run, and a template of it that can name the emulator."""
    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = folder / "build"
        if (target / "emulator.json").exists():
            return
        command = ["make", "build", f"ARCHITECTURE={ARCHITECTURE}", "RUNTIME=python3.13", f"BUILD_DIR={target}"]
        done = subprocess.run(
            command,
            cwd=template.ROOT,
            env=OUTSIDE,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        built = published(yaml_parse((target / "template.yaml").read_text()), target, folder)
        # `sam local invoke` sets no variable that the template does not have.
        built["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = ""
        (target / "emulator.json").write_text(json.dumps(built))


def published(built: dict[str, Any], target: Path, folder: Path) -> dict[str, Any]:
    """The template with its layers as versions that were published, and are downloaded already.

    The SAM CLI makes an image of the layers of the template itself for each call, and of others once.
    """
    arns, downloaded = {}, {}
    version = time.time_ns() // 1_000_000_000  # no run takes the images of another
    (folder / "layers").mkdir()
    for name, resource in built["Resources"].items():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            arn = f"arn:aws:lambda:{server.REGION}:000000000000:layer:{name}:{version}"
            arns[json.dumps({"Ref": name})] = json.dumps(arn)
            downloaded[arn] = f"{name}-{version}-{hashlib.sha256(arn.encode()).hexdigest()[:10]}"
            (folder / "layers" / downloaded[arn]).symlink_to(target / resource["Properties"]["ContentUri"])
    text = json.dumps(built)
    for reference, arn in arns.items():
        text = text.replace(reference, arn)
    found: dict[str, Any] = json.loads(text)
    (folder / "images").write_text("\n".join(images(found, downloaded)))
    return found


def images(built: dict[str, Any], downloaded: dict[str, str]) -> set[str]:
    """What the SAM CLI calls its images: one of each combination of layers."""
    everywhere = built["Globals"]["Function"]["Layers"]
    functions = [each for each in built["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    combinations = {(*everywhere, *each["Properties"].get("Layers", ())) for each in functions}
    names = ["-".join(downloaded[arn] for arn in layers).encode() for layers in combinations]
    prefix = f"samcli/lambda-python:3.13-{ARCHITECTURE}-"
    return {f"{prefix}{hashlib.sha256(name).hexdigest()[:25]}" for name in names}


def remove_images(folder: Path) -> None:
    _succeeds("docker", "image", "rm", *(folder / "images").read_text().split())


def silence(running: Stack) -> None:
    """Takes the events away from the emulator's own functions."""
    functions = aws.client("lambda", running.port)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def _number(spelling: str) -> int:
    number = ids.parse(spelling.rpartition("_")[0], spelling)
    assert number is not None
    return number


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
