"""What the tests of the versions group share: data with one version, and requests about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fluvial import aws, datasets, ids, part_files
from fluvial.caller import Caller
from reference.versions import handler
from tests import factories
from tests.contract.client import multipart
from tests.factories import answer, request
from tests.workers.pipeline import Pipeline


class Data:
    """A dataset of a caller, with the real workers on moto."""

    def __init__(self, resources: dict[str, str], cache: Path, monkeypatch: Any, file: bytes) -> None:
        monkeypatch.setattr(part_files, "FOLDER", cache)
        self.resources = resources
        self.caller: Caller = factories.new_caller()
        self.pipeline = Pipeline(resources)
        self.dataset = factories.new_dataset(self.caller, factories.new_project(self.caller), file)
        self.pipeline.settle()

    def now(self) -> datasets.Dataset:
        return datasets.get(self.caller, self.dataset.id)

    def ask(
        self, method: str, resource: str, *, on: Any = handler, caller: Caller | None = None, **more: Any
    ) -> tuple[int, Any]:
        path = {"id": ids.spell(ids.DATASET, self.dataset.id), **more.pop("path", {})}
        caller = caller or self.caller
        return answer(on, request(method, f"/data/{{id}}{resource}", caller=caller, path=path, **more))

    def add(self, data: str, **fields: str) -> Any:
        """An import, to its end."""
        body, kind = multipart(data.encode(), fields, filename="next.csv")
        status, made = self.ask("POST", "/versions", raw=body.decode(), headers={"Content-Type": kind})
        assert status == 201, made
        return self.version(made["number"])

    def version(self, number: int) -> Any:
        """A version after all that is under way has ended."""
        self.pipeline.settle()
        return self.ask("GET", "/versions/{number}", path={"number": str(number)})[1]

    def stored(self, key: str) -> bytes:
        found: bytes = aws.client("s3").get_object(Bucket=self.resources["Bucket"], Key=key)["Body"].read()
        return found
