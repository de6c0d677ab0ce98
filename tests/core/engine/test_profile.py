"""The profile of columns, against plain Python over the same cells."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine import profile as engine
from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column
from fluvial.engine.profile import profile
from fluvial.engine.select import Files

COLUMNS = {
    "i": (Column("i", "integer", ""), "BIGINT", st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63)])),
    "d": (Column("d", "decimal(38,2)", ""), "DECIMAL(38,2)", st.integers(-300, 300).map(lambda n: Decimal(n) / 100)),
    "f": (Column("f", "float", ""), "DOUBLE", st.integers(-8, 8).map(lambda n: n / 4)),
    "t": (Column("t", "text", ""), "VARCHAR", st.sampled_from(["", "a", "b", "ab", "Ä", "\U0001f600"])),
    "day": (
        Column("day", "date", "", "%d.%m.%Y"),
        "DATE",
        st.integers(0, 6).map(lambda n: date(2025, 12, 28) + timedelta(n)),
    ),
    "b": (Column("b", "boolean", "", "yes/no"), "BOOLEAN", st.booleans()),
}


def written(folder: Path, name: str, cells: list[Any], part_rows: int = 7) -> Files:
    _, sql, _ = COLUMNS[name]
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t (r BIGINT, v {sql})")
    connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(cells)))
    files = []
    for first in range(0, len(cells), part_rows):
        path = folder / f"{first:05d}.parquet"
        rows = f"SELECT v AS {identifier(name)} FROM t WHERE r BETWEEN {first} AND {first + part_rows - 1} ORDER BY r"
        connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
        files.append((path, first))
    return files


def spelled(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return value.strftime("%d.%m.%Y") if isinstance(value, date) else value


def expected(name: str, cells: list[Any]) -> dict[str, Any]:
    filled = [cell for cell in cells if cell is not None]
    ordered = sorted(filled)
    numbers = name in "idf" and bool(filled)
    counts = sorted(Counter(filled).items(), key=lambda each: (-each[1], each[0]))
    total = sum(map(Fraction, filled)) if numbers else None
    quantiles = None
    if name in ("i", "d", "f", "day"):
        at = {share: max(math.ceil(Fraction(share, 100) * len(ordered)) - 1, 0) for share in engine.SHARES}
        quantiles = {str(share): spelled(ordered[place]) if ordered else None for share, place in at.items()}
    bounds = name != "b" and bool(filled)
    return {
        "name": name,
        "type": COLUMNS[name][0].type,
        "complete": True,
        "nulls": len(cells) - len(filled),
        "distinct": len(set(filled)),
        "distinct_exact": True,
        "min": spelled(ordered[0]) if bounds else None,
        "max": spelled(ordered[-1]) if bounds else None,
        "sum": spelled(sum(filled)) if numbers else None,
        "mean": pytest.approx(float(total / len(filled)), rel=1e-14, abs=1e-300) if total is not None else None,
        "quantiles": quantiles,
        "quantiles_exact": True if quantiles is not None else None,
        "top": [{"value": spelled(value), "count": count} for value, count in counts[:10]],
        "examples": [spelled(value) for value in dict.fromkeys(filled)][:5],
        "min_length": min(map(len, filled)) if name == "t" and filled else None,
        "max_length": max(map(len, filled)) if name == "t" and filled else None,
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(COLUMNS)))
def test_a_profile_is_what_plain_python_counts(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    column, _, values = COLUMNS[name]
    cells = data.draw(st.lists(st.none() | values, min_size=1, max_size=40))
    folder = tmp_path_factory.mktemp("p")
    found = profile(written(folder, name, cells), [column], len(cells), folder)
    assert found == {"rows": len(cells), "columns": [expected(name, cells)]}


def test_beyond_the_bounds_a_profile_says_that_it_is_approximate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "EXACT_DISTINCT", 10)
    monkeypatch.setattr(engine, "EXACT_QUANTILE_ROWS", 100)
    cells = list(range(1_000))
    (found,) = profile(written(tmp_path, "i", cells, 300), [COLUMNS["i"][0]], 1_000, tmp_path)["columns"]
    assert (found["distinct_exact"], found["top"], found["quantiles_exact"], found["complete"]) == (
        False,
        None,
        False,
        True,
    )
    assert 900 < found["distinct"] < 1_100
    assert 300 < found["quantiles"]["50"] < 700
    assert (found["min"], found["max"], found["sum"], found["mean"]) == (0, 999, 499_500, 499.5)


def test_a_profile_whose_time_is_over_says_what_it_has(tmp_path: Path) -> None:
    files = written(tmp_path, "i", [1, 2])
    (found,) = profile(files, [Column("i", "integer", "", nulls=7)], 2, tmp_path, timeout_seconds=-1)["columns"]
    assert (found["complete"], found["nulls"], found["distinct"], found["top"]) == (False, 7, None, None)


def test_a_sum_beyond_38_digits_is_none_and_the_rest_is_there(tmp_path: Path) -> None:
    cells = [Decimal("9" * 36), Decimal("9" * 36)]
    path = tmp_path / "p.parquet"
    duckdb.connect().execute(f"COPY (SELECT {'9' * 38}::DECIMAL(38,0) AS d FROM range(2)) TO '{path}' (FORMAT parquet)")
    (found,) = profile([(path, 0)], [Column("d", "decimal(38,0)", "")], len(cells), tmp_path)["columns"]
    assert (found["sum"], found["mean"], found["distinct"], found["complete"]) == (None, None, 1, True)


def test_long_texts_are_cut_and_numbers_without_digits_are_words(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    duckdb.connect().execute(f"COPY (SELECT repeat('x', 101) AS t, 'nan'::DOUBLE AS f) TO '{path}' (FORMAT parquet)")
    text, number = profile([(path, 0)], [Column("t", "text", ""), Column("f", "float", "")], 1, tmp_path)["columns"]
    cut = "x" * 100 + "…"
    assert (text["examples"], text["top"], text["max"], text["max_length"]) == (
        [cut],
        [{"value": cut, "count": 1}],
        cut,
        101,
    )
    assert (number["examples"], number["max"], number["mean"]) == (["NaN"], "NaN", "NaN")
