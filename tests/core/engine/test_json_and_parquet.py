"""JSON keeps digits and kinds, Parquet keeps its types, and both keep every record."""

from __future__ import annotations

import contextlib
import gzip
import json
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine.ingest import ingest
from fluvial.engine.json_text import _DECODER, Members, compact
from fluvial.engine.limits import Limits
from fluvial.engine.options import Options
from fluvial.engine.rows import locate, read_page, read_rejects
from fluvial.errors import UnreadableFileError


def take(tmp: Path, data: bytes | str, *, fmt: str | None = None, **limits: int):
    """The manifest, all rows and all rejects of these bytes."""
    out = Path(tempfile.mkdtemp(dir=tmp))
    (tmp / "source").write_bytes(data if isinstance(data, bytes) else data.encode())
    manifest = ingest(tmp / "source", out, filename="t", format=fmt, limits=Limits(**limits), threads=1)
    rows = read_page([(out / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns)
    assert len(rows) == manifest.rows == manifest.source_rows - manifest.rejected
    rejected = read_rejects(out / "rejects.ndjson", 0, 10**6) if manifest.rejected else []
    assert len(rejected) == manifest.rejected
    return manifest, rows, rejected


def types(manifest) -> dict[str, str]:
    return {column.name: column.type for column in manifest.columns}


def test_numbers_keep_their_digits_and_strings_stay_text(tmp_path):
    data = (
        '[{"i":1,"d":1.50,"s":"007","b":true,"n":null,"big":12345678901234567890},{"i":-2,"d":2.25,"s":"12","b":false}]'
    )
    manifest, rows, _ = take(tmp_path, data)
    assert types(manifest) == {
        "i": "integer", "d": "decimal(18,2)", "s": "text", "b": "boolean", "n": "text", "big": "decimal(38,0)",
    }  # fmt: skip
    assert rows == [
        {"i": 1, "d": "1.50", "s": "007", "b": True, "n": None, "big": "12345678901234567890"},
        {"i": -2, "d": "2.25", "s": "12", "b": False, "n": None, "big": None},
    ]


def test_integers_at_the_edge_of_64_bits_are_exact(tmp_path):
    _, rows, _ = take(tmp_path, '{"n":9007199254740993}\n{"n":-9223372036854775808}\n{"n":9223372036854775807}\n')
    assert [row["n"] for row in rows] == [9007199254740993, -(2**63), 2**63 - 1]


def test_nested_values_become_compact_json_with_their_digits(tmp_path):
    manifest, rows, _ = take(tmp_path, '[{"a": {"x": 1.0, "y": [1, "é", null]}}, {"a": [ ]}]')
    assert [row["a"] for row in rows] == ['{"x":1.0,"y":[1,"é",null]}', "[]"]
    assert manifest.columns[0].format == "json"
    assert "nested" in manifest.columns[0].reason


def test_kinds_that_mix_keep_apart_as_json(tmp_path):
    data = "".join(json.dumps({"v": value}) + "\n" for value in ["12", 'say "x"', 12, None, True])
    manifest, rows, _ = take(tmp_path, data, part_rows=2)
    assert [row["v"] for row in rows] == ['"12"', '"say \\"x\\""', "12", None, "true"]
    assert manifest.columns[0].counter_example == {"row": 3, "line": 3, "value": "12"}


def test_a_key_that_appears_late_is_null_before(tmp_path):
    data = "".join(json.dumps({"a": n} | ({"b": str(n)} if n > 6 else {})) + "\n" for n in range(9))
    _, rows, _ = take(tmp_path, data, part_rows=4)
    assert rows == [{"a": n, "b": str(n) if n > 6 else None} for n in range(9)]


def test_lines_that_are_no_json_are_rejected_and_the_others_loaded(tmp_path):
    data = b'{"a":1}\n{"a":}\n\n"x"\n{"a":2,"a":3}\n{"a":"\\ud800"}\n{"a":"\\u0000"}\n{"a":"\xff"}\n{"a":2} 3\n{"a":4}'
    manifest, rows, rejected = take(tmp_path, data)
    assert [row["a"] for row in rows] == [1, 4]
    assert [one["line"] for one in rejected] == [2, 4, 5, 6, 7, 8, 9]
    assert rejected[0]["cause"].startswith("broken JSON at character 6")
    assert rejected[1]["cause"] == "a string value where an object was expected"
    assert rejected[2]["cause"] == "a key that occurs twice"
    assert manifest.format == "ndjson"


@pytest.mark.parametrize(
    "data",
    [
        '[{"a":1,"b":"x"},{"a":2,"b":"y"}]',
        '{"meta":{"n":2},"data":[{"a":1,"b":"x"},{"a":2,"b":"y"}],"next":null}',
        '{"rows":[["a","b"],[1,"x"],[2,"y"]]}',
        '[["a","b"],[1,"x"],[2,"y"]]',
        '{"a":[1,2],"b":["x","y"]}',
        '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n',
        '["a","b"]\n[1,"x"]\n[2,"y"]\n',
        '\n [\n  {"a":1,\n "b":"x"} ,\n{"a":2,"b":"y"}\n]\n',
    ],
)
def test_every_shape_of_json_table_is_read(tmp_path, data):
    expected = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    for form in (data.encode(), data.encode("utf-8-sig"), data.encode("utf-16"), gzip.compress(data.encode())):
        assert take(tmp_path, form)[1] == expected


def test_members_beside_the_rows_are_named(tmp_path):
    manifest, _, _ = take(tmp_path, '{"total":9,"items":[{"a":1}],"next":null}')
    assert "other members were left out: next, total" in manifest.detected_because


def test_arrays_of_another_length_are_rejected(tmp_path):
    _, rows, rejected = take(tmp_path, '[["a","b"],[1,2],[3],[4,5,6],{"a":1}]')
    assert rows == [{"a": 1, "b": 2}]
    assert [one["cause"] for one in rejected][:2] == [
        "too few values: 1 where 2 were expected", "too many values: 3 where 2 were expected",
    ]  # fmt: skip


def test_a_document_in_many_chunks_is_read_like_one(tmp_path, monkeypatch):
    from fluvial.engine import sources

    records = [{"n": n, "s": "é\n" * (n % 5), "x": [n / 4]} for n in range(300)]
    data = json.dumps(records, indent=1, ensure_ascii=False)
    whole = take(tmp_path, data)[1]
    monkeypatch.setattr(sources, "CHUNK_BYTES", 7)
    assert take(tmp_path, data)[1] == whole
    assert [row["n"] for row in whole] == list(range(300))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


def expected_columns(records: list[dict[str, object]]) -> list[list[object]]:
    names = list(dict.fromkeys(name for record in records for name in record))
    return [[record.get(name) for name in names] for record in records]


def value_of(cell: object, column) -> object:
    """A cell as the JSON value it came from."""
    if cell is None or isinstance(cell, (bool, int, float)):
        return cell
    if column.format == "json":
        return json.loads(cell)
    if column.type == "text" and column.reason != "the source has strings":
        return json.loads(cell)
    if not column.type.startswith("decimal"):
        return cell
    return Decimal(cell) if column.type.endswith(",0)") else float(cell)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1), min_size=1, max_size=12),
    st.booleans(),
    st.sampled_from([2, 100]),
)
def test_any_records_come_back_value_by_value(tmp_path, records, lines, part_rows):
    data = "\n".join(map(json.dumps, records)) + "\n" if lines else json.dumps(records)
    manifest, rows, rejected = take(tmp_path, data, fmt="ndjson" if lines else "json", part_rows=part_rows)
    assert not rejected
    got = [[value_of(row[c.name], c) for c in manifest.columns] for row in rows]
    assert got == expected_columns(records)


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_compact_json_means_the_same_and_keeps_the_digits(value):
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert compact(_DECODER.decode(text)) == text
    assert isinstance(_DECODER.decode('{"a":1}'), Members)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.text('[]{}",:1e.-\\ntaé\n ', max_size=30))
def test_anything_like_json_is_accounted_for_or_refused(tmp_path, data):
    for fmt in ("json", "ndjson", None):
        with contextlib.suppress(UnreadableFileError):
            take(tmp_path, "[" + data, fmt=fmt)


def test_records_without_any_column_are_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="have no columns"):
        take(tmp_path, "{}\n{}\n")
    _, rows, rejected = take(tmp_path, '[[], ["a"], [1], {"a": 2}]')
    assert rows == [{"a": 1}]
    assert len(rejected) == 2


PARQUET = """
SELECT i::BIGINT + 9007199254740993 AS big, i::TINYINT AS tiny, (i * 1.25)::DECIMAL(18, 2) AS amount,
    18446744073709551615::UBIGINT AS huge, i / 3.0 AS ratio, i % 2 = 0 AS even, DATE '2025-01-01' + i::INT AS day,
    TIMESTAMP '2025-01-01 10:00:00.123456' AS at, TIMESTAMPTZ '2025-01-01 10:00:00+02' AS instant,
    TIMESTAMP_NS '2025-01-01 10:00:00.123456789' AS fine, TIME '10:20:30' AS clock,
    '00' || i AS code, {'a': i, 'd': 1.10::DECIMAL(9, 2)} AS nested, [i, NULL] AS list, 'ab'::BLOB AS raw,
    NULL::INTEGER AS nothing, uuid() AS id, 'NaN'::DOUBLE AS odd
FROM range(50) t(i)
"""


def test_parquet_keeps_its_types_and_its_order(tmp_path):
    file = tmp_path / "in.parquet"
    duckdb.sql("SET TimeZone = 'UTC'")
    duckdb.execute(f"COPY ({PARQUET}) TO '{file}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    for data in (file.read_bytes(), gzip.compress(file.read_bytes())):
        manifest, rows, _ = take(tmp_path, data, part_rows=20)
        assert len(manifest.parts) == 3
        assert [row["big"] for row in rows] == [9007199254740993 + i for i in range(50)]
        assert types(manifest) == {
            "big": "integer", "tiny": "integer", "amount": "decimal(18,2)", "huge": "decimal(20,0)", "ratio": "float",
            "even": "boolean", "day": "date", "at": "timestamp", "instant": "timestamp_tz", "fine": "timestamp",
            "clock": "time", "code": "text", "nested": "text", "list": "text", "raw": "text", "nothing": "integer",
            "id": "text", "odd": "float",
        }  # fmt: skip
        assert {name: rows[3][name] for name in rows[3] if name != "id"} == {
            "big": 9007199254740996, "tiny": 3, "amount": "3.75", "huge": "18446744073709551615", "ratio": 1.0,
            "even": False, "day": "2025-01-04", "at": "2025-01-01T10:00:00.123456",
            "instant": "2025-01-01T08:00:00.000000Z", "fine": "2025-01-01T10:00:00.123456789",
            "clock": "10:20:30.000000", "code": "003", "nested": '{"a":3,"d":1.10}', "list": "[3,null]", "raw": "YWI=",
            "nothing": None, "odd": "NaN",
        }  # fmt: skip


def test_what_was_written_can_be_read_in_again(tmp_path):
    _, rows, _ = take(tmp_path, "a,b,c\n1,1.50,x\n2,2.25,007\n")
    part = next(tmp_path.glob("*/part-00000.parquet"))
    assert take(tmp_path, part.read_bytes())[1] == rows


def test_an_empty_parquet_file_is_refused(tmp_path):
    file = tmp_path / "in.parquet"
    duckdb.execute(f"COPY (SELECT 1 AS a WHERE false) TO '{file}' (FORMAT parquet)")
    with pytest.raises(UnreadableFileError, match="has a header but no rows"):
        take(tmp_path, file.read_bytes())


def test_parquet_cut_in_its_data_is_refused(tmp_path):
    file = tmp_path / "in.parquet"
    duckdb.execute(f"COPY (SELECT i, hash(i) AS h FROM range(20000) t(i)) TO '{file}' (FORMAT parquet)")
    data = file.read_bytes()
    with pytest.raises(UnreadableFileError, match=r"damaged|cannot be read"):
        take(tmp_path, data[:200] + b"\xff" * 3000 + data[3200:])


def test_objects_become_columns_where_the_caller_says_so(tmp_path):
    data = '{"a":{"b":1,"c":{"d":[1,2]},"e":{}},"f":"x"}\n{"a":{"b":2},"f":"y"}\n{"a.b":3,"a":{"b":4}}\n{"a":5}\n'
    (tmp_path / "s").write_text(data)
    manifest = ingest(tmp_path / "s", tmp_path / "out", filename="s", options=Options(flatten=True))
    part = manifest.parts[0]
    assert read_page([(tmp_path / "out" / part.file, 0, part.rows)], manifest.columns) == [
        {"a.b": 1, "a.c.d": "[1,2]", "a.e": "{}", "f": "x", "a": None},
        {"a.b": 2, "a.c.d": None, "a.e": None, "f": "y", "a": None},
        {"a.b": None, "a.c.d": None, "a.e": None, "f": None, "a": 5},
    ]
    assert [one["cause"] for one in read_rejects(tmp_path / "out" / "rejects.ndjson", 0, 9)] == [
        "a key that occurs twice"
    ]
