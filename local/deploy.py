"""Package template.yaml and create a stack from it: `sam deploy` without the SAM CLI, in two seconds."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse
from yaml import YAMLError

from local import aws, localise, server
from local.state import LocalError

ARTIFACTS_BUCKET = "local-artifacts"
TIMEOUT_SECONDS = 240

LOCAL_PARAMETERS = {"Local": "true"}
"""What every local stack is created with, as far as the template has parameters of these names."""

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

# Handlers run in the interpreter that runs the emulator and see its packages. Here these layers stay empty: what
# is built into them for AWS is for another Python and another processor, and would shadow what works.
_EMPTY_LAYERS = ("layers/dependencies", "layers/engine", "layers/rendering", "layers/reports")


def create_stack(template: Path, name: str, port: int, parameters: Mapping[str, str]) -> None:
    """Create the stack, and return when it is complete. LocalError says why it is not."""
    document = _read(template)
    declared = document.get("Parameters", {})
    unknown = sorted(set(parameters) - set(declared))
    if unknown:
        raise LocalError(f"{template.name} has no parameter {', '.join(unknown)}")
    known = {**LOCAL_PARAMETERS, **_base_urls(document, port)}
    values = {key: value for key, value in known.items() if key in declared} | dict(parameters)

    s3, cloudformation = aws.client("s3", port), aws.client("cloudformation", port)
    localise.prepare(document)
    _package(document, template.resolve().parent, s3)
    key = _put(s3, json.dumps(document).encode(), "json")
    try:
        cloudformation.create_stack(
            StackName=name,
            # A request may carry 51,200 bytes of template. This one is longer.
            TemplateURL=f"{server.endpoint_url(port)}/{ARTIFACTS_BUCKET}/{key}",
            Capabilities=_CAPABILITIES,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        )
    except ClientError as error:
        raise LocalError(f"the stack could not be created: {error.response['Error']['Message']}") from error
    _wait(cloudformation, name)


def _base_urls(document: dict[str, Any], port: int) -> dict[str, str]:
    """Parameters such as CodeflussBaseUrl: the emulator's address of each API that has an id of its own choice."""
    found = {}
    for name, resource in document["Resources"].items():
        properties = resource.get("Properties", {})
        api_id = properties.get("Tags", {}).get("ms-custom-id") if name.endswith("Api") else None
        if api_id:
            found[name.removesuffix("Api") + "BaseUrl"] = localise.base_url(port, api_id, properties["StageName"])
    return found


def _read(template: Path) -> dict[str, Any]:
    try:
        document = yaml_parse(template.read_text())
    except YAMLError as error:
        raise LocalError(f"{template} is not YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise LocalError(f"{template} is not a CloudFormation template: it has no Resources")
    return document


def _package(document: dict[str, Any], root: Path, s3: Any) -> None:
    """Put every folder the template names into the artifacts bucket, and the addresses into the template."""
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    done: dict[str, str] = {}

    def place(properties: dict[str, Any], key: str) -> None:
        uri = properties.get(key)
        if not isinstance(uri, str) or uri.startswith("s3://"):
            return
        if uri not in done:
            folder = root / uri
            if not folder.is_dir():
                raise LocalError(f"template.yaml names the folder {uri}, which is not there")
            bucket_key = _put(s3, _zip(folder, root), "zip")
            done[uri] = f"s3://{ARTIFACTS_BUCKET}/{bucket_key}"
        properties[key] = done[uri]

    place(document.get("Globals", {}).get("Function", {}), "CodeUri")
    for resource in document["Resources"].values():
        properties = resource.get("Properties", {})
        place(properties, "CodeUri")
        place(properties, "ContentUri")
        # The packages are built already: no build step may look at them again.
        resource.pop("Metadata", None)


def _zip(folder: Path, root: Path) -> bytes:
    """The folder as a zip file. Without bytecode: tried, and it does not make functions start measurably quicker."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in _files(folder, root):
            archive.write(path, path.relative_to(folder))
    return data.getvalue()


def _files(folder: Path, root: Path) -> list[Path]:
    """The files of a package, sorted; none of a layer that stays empty."""
    if folder.relative_to(root).as_posix() in _EMPTY_LAYERS:
        return []
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _put(s3: Any, data: bytes, suffix: str) -> str:
    key = f"{hashlib.sha256(data).hexdigest()}.{suffix}"
    s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=key, Body=data)
    return key


def _wait(cloudformation: Any, name: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if status == "CREATE_COMPLETE":
            return
        if not status.endswith("_IN_PROGRESS") or status.startswith("ROLLBACK"):
            raise LocalError(f"the stack could not be created ({status}):\n{_failures(cloudformation, name)}")
        if time.monotonic() > deadline:
            raise LocalError(f"the stack was not created within {TIMEOUT_SECONDS} s (it is {status})")
        time.sleep(0.05)


def _failures(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return "\n".join(
        f"    {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
    )
