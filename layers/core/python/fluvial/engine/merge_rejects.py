"""The records that a merge rejects, beside those that reading the file rejected."""

# The SQL here is made of our own numbers and quoted identifiers.
# ruff: noqa: S608

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fluvial.engine.load import identifier
from fluvial.engine.matching import AGAIN, EXTRA, NULL, Incoming, Matching
from fluvial.engine.schema import Pair, by_name
from fluvial.engine.types import shown
from fluvial.engine.widening import as_text

FETCHED_ROWS = 100


def write_rejects(matching: Matching, pairs: Sequence[Pair], file: Incoming, path: Path) -> int:
    """Writes all rejects of a merge, those of the reading first; returns how many. No file if there are none.

    `raw` of a row that was read is a JSON object with the text of each cell, so that it can be sent again.
    """
    if not matching.count("rejected") and file.manifest.rejects_file is None:
        return 0
    count = file.manifest.rejected
    with path.open("wb") as out:
        if file.manifest.rejects_file is not None:
            with (file.folder / file.manifest.rejects_file).open("rb") as before:
                shutil.copyfileobj(before, out)
        for reject in _rejected(matching, pairs, file):
            out.write(json.dumps(reject, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def _rejected(matching: Matching, pairs: Sequence[Pair], file: Incoming) -> Any:
    columns = file.manifest.columns
    cells = [f"{as_text(identifier(column.name), column)} AS c{at}" for at, column in enumerate(columns)]
    names = ", ".join(f"n.c{at}" for at in range(len(columns)))
    for part in file.manifest.parts:
        rows = matching.sql.execute(
            f"SELECT r.nr, r.why, r.col, r.again, {names} FROM {matching.new(cells, [part])} n "
            "JOIN rejected r ON r.nr = n.nr ORDER BY r.nr"
        )
        while some := rows.fetchmany(FETCHED_ROWS):
            for at, why, column, again, *texts in some:
                yield {
                    "line": file.line(at + 1),
                    "column": None if column is None else column + 1,
                    "cause": _cause(pairs, file, why, column, again, texts),
                    "raw": json.dumps(
                        {each.name: text for each, text in zip(columns, texts, strict=True)},
                        ensure_ascii=False,
                        separators=(",", ":"),
                    ),
                }


def _cause(
    pairs: Sequence[Pair], file: Incoming, why: str, column: int | None, again: int | None, texts: Sequence[str | None]
) -> str:
    if why == AGAIN and again is not None:
        line = file.line(again + 1)
        return f"the key occurs again in {f'row {again + 1}' if line is None else f'line {line}'}"
    name = file.manifest.columns[column or 0].name
    if why == NULL:
        return f"the key column '{name}' is empty"
    if why == EXTRA:
        return f"the data has no column '{name}'"
    target = next(pair.target for pair in pairs if pair.new is by_name(file.manifest.columns)[name.lower()])
    return f"the column '{name}' is {target.shown()}, and {shown(str(texts[column or 0]))} is not"
