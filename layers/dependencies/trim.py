"""Takes out of the built dependency layer what no function uses: python3 trim.py FOLDER

botocore describes 400 services in 27 MB, and reads the endpoints of all of them, and the manual of each service it
makes a client of, at every cold start. What stays is what `fluvial.aws.client` is called with, without the manual: a
third of the time of the first client. A client of any other service then fails with UnknownServiceError, here and
in the tests of the built layers, not only in AWS.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

SERVICES = ("apigateway", "dynamodb", "events", "s3", "scheduler", "sqs", "stepfunctions")


def trim(folder: Path) -> None:
    """Trims `botocore/data` below the folder, in place."""
    data = folder / "botocore" / "data"
    gone = [service for service in SERVICES if not (data / service).is_dir()]
    if gone:
        raise SystemExit(f"trim.py: botocore has no {', '.join(gone)} in {data}")
    for service in data.iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)

    endpoints = data / "endpoints.json"
    known = json.loads(endpoints.read_bytes())
    for partition in known["partitions"]:
        partition["services"] = {name: where for name, where in partition["services"].items() if name in SERVICES}
    _write(endpoints, known)

    for example in data.rglob("examples-1.json*"):
        example.unlink()
    for packed in data.rglob("*.json.gz"):
        _write(packed.with_suffix(""), _without_manual(json.loads(gzip.decompress(packed.read_bytes()))))
        packed.unlink()


def _without_manual(node: Any) -> Any:
    """The description with empty texts for people: botocore demands a few of them, so none may be missing."""
    if isinstance(node, dict):
        return {
            # A dictionary here is a member that has this name.
            key: "" if key == "documentation" and isinstance(value, str) else _without_manual(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_without_manual(each) for each in node]
    return node


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
