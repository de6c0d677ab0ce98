"""Records as a dataset, so that analyses, charts and reports work on them.

The records of a class for which a condition holds become rows of a new dataset, in the order of their ids, as they are
in this moment: a dataset is a copy, and later changes of the records are not in it. The file is made here, record by
record, and the ordinary ingest job reads it, by types that are the class's own, not found out:

    string, text            text
    integer, relation       integer
    decimal                 decimal, with as many digits as the values have; text where these are more than 38
    boolean, date           the same
    datetime                timestamp_tz
    multi                   text, joined by ", "

A column in which no record has a value is there, too. What points here (many) has no column.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fluvial import blobs, clock, datasets, exact_json, ids, projects, record_queries, record_values
from fluvial import record_classes as types
from fluvial.caller import Caller
from fluvial.datasets import Dataset
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.idempotency import Once
from fluvial.record_classes import Field, ModelClass
from fluvial.record_queries import Query
from fluvial.store.table import GuardError

if TYPE_CHECKING:
    from fluvial.record_filters import Condition
    from fluvial.record_schemas import Schema
    from fluvial.records import Record

MAX_RECORDS = 100_000  # which take a request some ten seconds to write
FORMAT = "ndjson"
SEPARATOR = ", "
MAX_DIGITS = 38
_TYPES = {
    types.STRING: "text",
    types.TEXT: "text",
    types.INTEGER: "integer",
    types.RELATION: "integer",
    types.BOOLEAN: "boolean",
    types.DATE: "date",
    types.DATETIME: "timestamp_tz",
    types.MULTI: "text",
}


def to_dataset(
    caller: Caller,
    schema: Schema,
    model: ModelClass,
    condition: Condition | None,
    *,
    project_id: int,
    name: str | None = None,
    once: Once[Dataset] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Dataset:
    """Makes a dataset of the records; returns it, processing. Who wants it needs to be allowed to read and to write.

    InvalidError where there are no such records, or more than MAX_RECORDS. NotFoundError for the project.
    """
    caller.require("records:read")
    caller.require("data:write")
    projects.get(caller, project_id, field="project_id")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records")
        with path.open("w", encoding="utf-8") as file:
            columns = _write(caller, schema, model, condition, file)
        upload, _ = datasets.open_upload(
            caller,
            project_id=project_id,
            filename=f"{model.name}.{FORMAT}",
            size=path.stat().st_size,
            name=name or model.camel,
            format=FORMAT,
            parts=False,
            now=now,
            new_id=new_id,
        )
        blobs.put_file(upload.incoming, path)
    try:
        return datasets.complete_upload(
            caller, upload.id, options={"types": columns}, once=once, now=now, new_id=new_id
        )
    except (NotFoundError, ConflictError, GuardError):
        blobs.delete(upload.incoming)
        raise


def _write(
    caller: Caller, schema: Schema, model: ModelClass, condition: Condition | None, file: IO[str]
) -> dict[str, str]:
    """Writes a line for each record; returns the types of the columns."""
    fields = [field for field in model.fields if field.kept]
    whole: dict[str, int] = {}
    fraction: dict[str, int] = {}
    for at, record in enumerate(_records(caller, schema, model, condition)):
        # The first line names all columns, so that there are those that no record has a value in.
        row: dict[str, object] = dict.fromkeys((field.name for field in fields) if at == 0 else ())
        for field in fields:
            value = record.value(field.name)
            if value is None:
                continue
            row[field.name] = _cell(field, value)
            if isinstance(value, Decimal):
                before, behind = _digits(value)
                whole[field.name] = max(whole.get(field.name, 1), before)
                fraction[field.name] = max(fraction.get(field.name, 0), behind)
        file.write(exact_json.dumps(row) + "\n")
    columns = {}
    for field in fields:
        if field.type == types.DECIMAL:
            columns[field.name] = _decimal(whole.get(field.name, 1), fraction.get(field.name, 0))
        else:
            columns[field.name] = _TYPES[field.type]
    return columns


def _records(caller: Caller, schema: Schema, model: ModelClass, condition: Condition | None) -> Iterator[Record]:
    with record_queries.table_of(caller, model) as table:
        where, parameters = record_queries.selection(caller, schema, Query(model, condition))
        sql = f"SELECT id FROM records WHERE {where} ORDER BY id"  # noqa: S608
        wanted = [record_id for (record_id,) in table.select(sql, parameters)]
        if not 0 < len(wanted) <= MAX_RECORDS:
            reason = f"A dataset is made of 1 to {MAX_RECORDS} records, and the filter finds {len(wanted)}."
            raise InvalidError("filter", reason, value=len(wanted), constraint=f"1 to {MAX_RECORDS} records")
        yield from table.stream(wanted)


def _cell(field: Field, value: record_values.Value) -> object:
    if isinstance(value, tuple):
        return SEPARATOR.join(value)
    # Without an exponent, as the ingest reads numbers of a fixed number of digits.
    return Decimal(f"{value:f}") if isinstance(value, Decimal) else record_values.to_json(field, value)


def _digits(value: Decimal) -> tuple[int, int]:
    """Digits before and behind the point."""
    plain = f"{value:f}".lstrip("-")
    before, _, behind = plain.partition(".")
    return len(before.lstrip("0")), len(behind)


def _decimal(before: int, behind: int) -> str:
    digits = max(before + behind, 1)
    return f"decimal({digits},{behind})" if digits <= MAX_DIGITS else "text"
