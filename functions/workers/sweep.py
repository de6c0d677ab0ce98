"""What a deleted project or dataset leaves behind -> gone. At least once; sweeping again finds nothing."""

from __future__ import annotations

from typing import Any

from fluvial import blobs, bus, datasets, ids
from fluvial.log import write_line
from fluvial.store import datasets as store
from workers.messages import parse_event, parse_id


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are the events project.deleted and data.deleted."""
    return bus.run_batch(event, _sweep)


def _sweep(message: dict[str, Any]) -> None:
    event = parse_event(message)
    if event.type == "project.deleted":
        project = parse_id(ids.PROJECT, event.data["id"])
        while left := store.some_of(event.account, project):
            for dataset in left:
                datasets.remove(dataset)
        store.forget_list(event.account, project)
    else:
        dataset_id = parse_id(ids.DATASET, event.data["id"])
        blobs.delete_all(blobs.versions(event.account, dataset_id))
        blobs.delete(blobs.source(event.account, dataset_id))
    write_line("sweep", event=event.id, type=event.type)
