"""Rows of Parquet parts with their positions, as SQL."""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fluvial.engine.load import quoted

# DuckDB's own columns of a Parquet scan. A file's column with such a name hides them.
_VIRTUAL = ("file_row_number", "file_index")


def numbered(files: Sequence[tuple[Path, int]], values: Iterable[str], names: Iterable[str]) -> str:
    """SQL for the rows of (file, position of its first row), in order: `nr`, their position, and the values.

    `names` are those of the files' columns.
    """
    paths = ", ".join(quoted(str(path)) for path, _ in files)
    if any(name.lower() in _VIRTUAL for name in names):
        # One scan per file: the rows of a single one come in order, so they can be counted.
        each = (
            f"SELECT {', '.join([f'{first} + row_number() OVER () - 1 AS nr', *values])} "
            f"FROM read_parquet({quoted(str(path))})"
            for path, first in files
        )
        return f"({' UNION ALL '.join(each)})"
    firsts = ", ".join(str(first) for _, first in files)
    position = f"list_extract([{firsts}]::BIGINT[], file_index::BIGINT + 1) + file_row_number"
    if len(files) == 1:
        position = f"{firsts} + file_row_number"
    return f"(SELECT {', '.join([f'{position} AS nr', *values])} FROM read_parquet([{paths}]))"
