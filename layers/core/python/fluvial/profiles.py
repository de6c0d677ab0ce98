"""What the columns of a dataset are like, as the ingest found: one object beside the manifest of each version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fluvial import blobs, dataset_versions, selections
from fluvial.caller import Caller
from fluvial.errors import ConflictError

PROFILE = "profile.json"  # under a version's location


@dataclass(frozen=True, slots=True)
class Profile:
    """Of each column what `engine.profile` tells, as JSON values; `rows` is of the whole version."""

    version: int
    rows: int
    columns: list[dict[str, Any]]


def get(
    caller: Caller, dataset_id: int, *, columns: tuple[str, ...] | None = None, version: int | None = None
) -> Profile:
    """The profile of a version, by default the current one, or of some of its columns, in the order asked for.

    ConflictError where the version has none, or no rows. One read of the bucket.
    """
    dataset = dataset_versions.readable(caller, dataset_id, version)
    found = blobs.find(f"{dataset.location}{PROFILE}")
    if found is None:
        raise ConflictError("This version of the data has no profile: upload the data again to get one.")
    fields = json.loads(found)
    by_name = {column["name"]: column for column in fields["columns"]}
    if columns is not None:
        selections.check(selections.Selection(columns), {name: each["type"] for name, each in by_name.items()})
    shown = list(by_name.values()) if columns is None else [by_name[name] for name in columns]
    return Profile(dataset.version, fields["rows"], shown)
