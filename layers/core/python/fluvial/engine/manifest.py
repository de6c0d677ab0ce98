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
    are canonical text (ISO for dates and times), None when unknown or when every cell is null.
    """

    name: str
    type: str
    reason: str
    format: str | None = None
    nulls: int = 0
    min: str | None = None
    max: str | None = None
    counter_example: CounterExample | None = None


@dataclass(frozen=True)
class Part:
    """One Parquet file: `first_row` is the 0-based position of its first row in the dataset version.

    `bounds` is [min, max] by column name, for columns whose bounds are known.
    """

    file: str
    rows: int
    bytes: int
    first_row: int
    bounds: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Everything known about one ingested file. `rows + rejected == source_rows`, always."""

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
