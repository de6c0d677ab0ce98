"""Replays: corrected records of what a version rejected, appended as an import of their own.

They come as rows, which are objects, or as lines: raw text, which is read by the dialect that was found in the
version's file. Data without rows, whose first file was rejected as a whole, is made of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fluvial import clock, dataset_versions, datasets, ids, imports
from fluvial.caller import Caller
from fluvial.dataset_versions import Version
from fluvial.errors import InvalidError
from fluvial.idempotency import Once
from fluvial.imports import Import

MAX_RECORDS = 10_000
DELIMITED = ("csv", "tsv")
JSON = ("json", "ndjson")
# Stands in for the delimiter of a file of one column: no text has it.
NO_DELIMITER = "\x1f"


def replay(
    caller: Caller,
    dataset_id: int,
    number: int,
    *,
    rows: Sequence[Mapping[str, object]] | None = None,
    lines: Sequence[str] | None = None,
    once: Once[Version] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Version:
    """Appends corrected records of a version's rejects. The columns stay: a text is read as its column's type is.

    InvalidError unless just one of rows and lines is given, and for more than the version rejected; for lines, one
    read of the bucket. ConflictError for a version that kept no rejects.
    """
    field, records = _given(rows, lines)
    dataset = datasets.get(caller, dataset_id)
    version = dataset_versions.keeping_rejects(dataset, number)
    rejected = version.rejected or 0
    if len(records) > rejected:
        reason = f"Version {number} rejected {rejected} records, not {len(records)}."
        raise InvalidError(field, reason, value=len(records), constraint=f"at most {rejected} records")
    if lines is None:
        options: dict[str, Any] = {"format": "ndjson"}
        texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in records]
    else:
        manifest = datasets.manifest(replace(dataset, location=version.location)) or {}
        options, texts = _read_as(manifest, version), _texts(manifest, lines)
    return imports.add(
        caller,
        dataset_id,
        # Data without rows has no columns that could stay.
        Import("replace", options=options) if dataset.location is None else Import("append", None, "reject", options),
        filename=f"replay-of-version-{number}.{options['format']}",
        data="\n".join([*texts, ""]).encode("utf-8", "replace"),
        replays=number,
        records=len(records),
        once=once,
        now=now,
        new_id=new_id,
    )


def _given(rows: Sequence[Any] | None, lines: Sequence[str] | None) -> tuple[str, Sequence[Any]]:
    """The field that was given, and what it holds."""
    if rows is not None and lines is None:
        return "rows", rows
    if lines is None or rows is not None:
        both = "both" if lines is not None else "neither"
        raise InvalidError("lines", f"Give either 'rows' or 'lines', not {both}.", constraint="rows or lines")
    for at, line in enumerate(lines):
        if not line.strip() or "\0" in line:
            reason = f"'lines.{at}' must be the text of one record: not blank, and without NUL."
            raise InvalidError(f"lines.{at}", reason, value=line[:100], constraint="the text of one record")
    return "lines", lines


def _read_as(manifest: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """The options under which lines are read as the version's file was, without what is above its table."""
    names = ("null_tokens", "date_order", "flatten")
    kept: dict[str, Any] = {name: version.options[name] for name in names if name in version.options}
    if manifest["format"] in JSON:
        return {**kept, "format": "ndjson", "encoding": "utf-8"}
    if manifest["format"] not in DELIMITED:
        reason = f"Version {version.number} was read from {manifest['format']}, whose records are no text: send 'rows'."
        raise InvalidError("lines", reason, value=manifest["format"], constraint=", ".join((*DELIMITED, *JSON)))
    dialect = manifest["dialect"]
    delimiter, quote, escape = dialect["delimiter"], dialect["quote"], dialect["escape"]
    said = {
        "format": "csv",
        "encoding": "utf-8",
        "header": True,
        "skip_lines": 0,
        "quote": quote,
        "escape": "doubled" if escape in (quote, None) else escape,
    }
    # One of two characters, such as a comma with a space, is found again from the header.
    if len(delimiter or NO_DELIMITER) == 1:
        said["delimiter"] = delimiter or NO_DELIMITER
    return {**kept, **said}


def _texts(manifest: Mapping[str, Any], lines: Sequence[str]) -> list[str]:
    """The lines, below a header with the names of the columns where they are of delimited text."""
    if manifest["format"] not in DELIMITED:
        for at, line in enumerate(lines):
            if "\n" in line or "\r" in line:
                reason = f"'lines.{at}' must be one JSON value without line ends."
                raise InvalidError(f"lines.{at}", reason, value=line[:100], constraint="one line")
        return list(lines)
    merged = manifest["merged"]
    names = merged["file_columns"] if merged else [column["name"] for column in manifest["columns"]]
    dialect = manifest["dialect"]
    cells = [_quoted(name, dialect["quote"], dialect["escape"]) for name in names]
    return [(dialect["delimiter"] or NO_DELIMITER).join(cells), *lines]


def _quoted(name: str, quote: str | None, escape: str | None) -> str:
    if not quote:
        return name
    if escape in (quote, None):
        return quote + name.replace(quote, quote + quote) + quote
    return quote + name.replace(str(escape), f"{escape}{escape}").replace(quote, f"{escape}{quote}") + quote
