"""What an ingest found and wrote: the manifest of one dataset version, with lossless JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict


class CounterExample(TypedDict, total=False):
    """The first cell that forbids a narrower type: 1-based row of the loaded rows, physical line, text."""

    row: int
    line: int
    value: str


@dataclass(frozen=True)
class Column:
    """A column and how its type was decided.

    `type` is integer, decimal(p,s), float, boolean, date, timestamp, timestamp_tz, time or text. `format` says
    how a value is written back as it was in the source; None where there is one spelling only. `min` and `max`
    are canonical text (ISO for dates and times), None when unknown or when every cell is null. `alternatives` are
    the types that come before it in the order of choice, each with the first cell that speaks against it.
    """

    name: str
    type: str
    reason: str
    format: str | None = None
    nulls: int = 0
    min: str | None = None
    max: str | None = None
    counter_example: CounterExample | None = None
    alternatives: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """One Parquet file: `first_row` is the 0-based position of its first row in the dataset version.

    `bounds` is [min, max] by column name, for columns whose bounds are known. `location` is the prefix of the earlier
    version that the file belongs to; None for a file of the manifest's own version.
    """

    file: str
    rows: int
    bytes: int
    first_row: int
    bounds: dict[str, list[str]] = field(default_factory=dict)
    location: str | None = None

    def key(self, own: str) -> str:
        """The file's key in the bucket; `own` is the location of the manifest's version."""
        return f"{self.location or own}{self.file}"


@dataclass(frozen=True)
class Manifest:
    """Everything known about one version of a dataset, and about the file that it was made with.

    `rejected` and what begins with `source` are of the file, `columns`, `rows` and `parts` of the version. Without
    `merged` the version is the file, and `rows + rejected == source_rows`. With it, `merged` has what the file was to
    the version before: mode, key, counts and changes of the columns, and the names of the file's columns.
    `alternatives` are other delimiters, with the columns they would make and the share of records they would fit.
    """

    format: str
    compression: str | None
    encoding: str | None
    dialect: dict[str, Any] | None
    detected_because: list[str]
    columns: list[Column]
    rows: int
    rejected: int
    source_rows: int
    source_bytes: int
    source_sha256: str
    parts: list[Part]
    rejects_file: str | None
    merged: dict[str, Any] | None = None
    alternatives: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> str:
        """One line of JSON from which `from_json` makes an equal manifest."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """The manifest that `to_json` wrote."""
        fields = json.loads(text)
        fields["columns"] = [Column(**column) for column in fields["columns"]]
        fields["parts"] = [Part(**part) for part in fields["parts"]]
        return cls(**fields)
