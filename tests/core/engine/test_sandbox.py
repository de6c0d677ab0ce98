"""What a run of SELECTs gives, and how it ends; the attempts to leave it are in the files beside this one."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from fluvial.engine import sandbox
from fluvial.engine.limits import MIB
from fluvial.engine.manifest import Column
from fluvial.engine.rows import read_page
from fluvial.engine.sandbox import (
    Bounds,
    EngineStoppedError,
    Input,
    MemoryExceededError,
    Outcome,
    OutputExceededError,
    RowsExceededError,
    SandboxError,
    SqlFailedError,
    SqlRefusedError,
    Step,
    StepResult,
    run,
)
from tests.core.engine.tables import Cells, read

# Time is for a busy machine: only what is about a limit has one of its own.
BOUNDS = Bounds(seconds=300, cpu_seconds=60, memory_bytes=512 * MIB, spill_bytes=64 * MIB)
ORDERS: list[Cells] = [
    {"id": "1", "customer": "Anna", "price": "1.50", "day": "03.11.2025", "paid": "yes"},
    {"id": "2", "customer": "Ben", "price": "20.25", "day": "14.11.2025", "paid": "no"},
    {"id": "3", "customer": "Anna", "price": "0.75", "day": "29.11.2025", "paid": "yes"},
    {"id": "4", "customer": None, "price": "9.00", "day": "30.11.2025", "paid": "no"},
]


def orders(folder: Path) -> Input:
    """The orders as an import would keep them, in two parts."""
    place = folder / "orders"
    place.mkdir()
    manifest = read(place, ORDERS, part_rows=3)
    assert len(manifest.parts) == 2
    return Input([place / part.file for part in manifest.parts], manifest.columns)


def ran(tmp_path: Path, *steps: Step, bounds: Bounds = BOUNDS, write: bool = False, **options: int) -> Outcome:
    """The steps over the orders; nothing else is left behind."""
    temp, out = tmp_path / "temp", tmp_path / "out"
    temp.mkdir(exist_ok=True)
    out.mkdir(exist_ok=True)
    inputs = {"orders": orders(tmp_path)}
    try:
        return run(inputs, steps, temp=temp, out=out if write else None, bounds=bounds, **options)
    finally:
        assert list(temp.iterdir()) == []


def types(columns: list[Column]) -> list[tuple[str, str, str | None]]:
    return [(column.name, column.type, column.format) for column in columns]


def test_each_step_reads_the_inputs_and_the_steps_before(tmp_path: Path) -> None:
    made = ran(
        tmp_path,
        Step("paid", "SELECT * FROM Orders WHERE paid"),
        Step("customers", "SELECT DISTINCT customer FROM orders -- all of them"),
        Step(
            "sums",
            "SELECT customer, sum(price) AS total FROM customers LEFT JOIN PAID USING (customer) "
            "GROUP BY 1 ORDER BY 1;",
        ),
    )
    assert [(step.name, step.rows) for step in made.steps] == [("paid", 2), ("customers", 3), ("sums", 3)]
    assert all(step.milliseconds >= 0 for step in made.steps)
    assert types(made.steps[0].columns) == [
        ("id", "integer", None),
        ("customer", "text", None),
        ("price", "decimal(18,2)", None),
        ("day", "date", "%d.%m.%Y"),
        ("paid", "boolean", "yes/no"),
    ]
    assert made.steps[0].sample == [
        {"id": 1, "customer": "Anna", "price": "1.50", "day": "03.11.2025", "paid": True},
        {"id": 3, "customer": "Anna", "price": "0.75", "day": "29.11.2025", "paid": True},
    ]
    assert made.steps[2].sample == [
        {"customer": "Anna", "total": "2.25"},
        {"customer": "Ben", "total": None},
        {"customer": None, "total": None},
    ]
    assert types(made.columns) == [("customer", "text", None), ("total", "decimal(38,2)", None)]
    assert (made.rows, made.parts) == (3, [])
    assert 0 < made.usage.peak_memory_bytes < BOUNDS.memory_bytes


def test_the_last_step_is_kept_as_parts_in_its_order(tmp_path: Path) -> None:
    sql = "SELECT o.id * 1000 + n AS id, day, customer FROM orders o, range(700) r(n) ORDER BY id DESC"
    made = ran(tmp_path, Step("all", sql), write=True, part_rows=1000, sample_rows=1)
    assert [(part.file, part.rows, part.first_row) for part in made.parts] == [
        ("part-00000.parquet", 1000, 0),
        ("part-00001.parquet", 1000, 1000),
        ("part-00002.parquet", 800, 2000),
    ]
    assert made.parts[0].bounds["id"] == ["3400", "4699"]
    assert [(column.nulls, column.min, column.max) for column in made.columns] == [
        (0, "1000", "4699"),
        (0, "2025-11-03", "2025-11-30"),
        (700, "Anna", "Ben"),
    ]
    assert made.steps[0].sample == [{"id": 4699, "day": "30.11.2025", "customer": None}]
    found = read_page([(tmp_path / "out" / part.file, 0, part.rows) for part in made.parts], made.columns)
    assert [row["id"] for row in found] == [o * 1000 + n for o in (4, 3, 2, 1) for n in reversed(range(700))]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [part.file for part in made.parts]
    assert [part.bytes for part in made.parts] == [(tmp_path / "out" / part.file).stat().st_size for part in made.parts]


def test_a_column_may_be_called_like_a_position(tmp_path: Path) -> None:
    sql = "SELECT 7 - range AS RowID, range AS file_row_number, 'x' AS size FROM range(7)"
    made = ran(tmp_path, Step("x", sql), Step("y", "SELECT * FROM x"), write=True, part_rows=3, sample_rows=2)
    expected = [{"RowID": 7 - at, "file_row_number": at, "size": "x"} for at in range(7)]
    assert made.steps[1].sample == expected[:2]
    found = read_page([(tmp_path / "out" / part.file, 0, part.rows) for part in made.parts], made.columns)
    assert found == expected


def test_many_parts_are_read(tmp_path: Path) -> None:
    place = tmp_path / "many"
    place.mkdir()
    manifest = read(place, [{"n": str(n)} for n in range(300)], part_rows=1)
    given = Input([place / part.file for part in manifest.parts], manifest.columns)
    assert len(given.files) == 300
    made = run({"many": given}, [Step("x", "SELECT sum(n) AS s FROM many")], temp=tmp_path, out=None, bounds=BOUNDS)
    assert made.steps[0].sample == [{"s": 44_850}]


def test_a_part_of_too_many_bytes_is_cut(tmp_path: Path) -> None:
    bounds = Bounds(seconds=300, memory_bytes=512 * MIB, part_bytes=100_000)
    made = ran(tmp_path, Step("x", "SELECT range, md5(range::VARCHAR) m FROM range(10000)"), write=True, bounds=bounds)
    assert sum(part.rows for part in made.parts) == 10_000
    assert len(made.parts) > 1
    assert max(part.bytes for part in made.parts) <= 100_000


def test_equal_runs_make_equal_parts(tmp_path: Path) -> None:
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sql = "SELECT range % 5000 AS k, sum(range / 7.0) AS s, random() AS r FROM range(50000) GROUP BY k"
        made = ran(tmp_path / name, Step("x", sql), write=True)
        hashes.add(hashlib.sha256((tmp_path / name / "out" / made.parts[0].file).read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_columns_have_types_of_datasets(tmp_path: Path) -> None:
    sql = """
        SELECT 1::HUGEINT AS whole, 9223372036854775808::HUGEINT AS wide, 1.5::FLOAT AS f, 'NaN'::DOUBLE AS n,
            {'a': [1, 2]} AS nested, INTERVAL 1 DAY AS i, NULL AS nothing, TIMESTAMP '2025-11-22 10:00:00' AS t,
            TIMESTAMPTZ '2025-11-22 10:00:00+02' AS z, 'x'::BLOB AS b, 2 AS whole
    """
    made = ran(tmp_path, Step("x", sql), write=True)
    assert types(made.columns) == [
        ("whole", "integer", None),
        ("wide", "decimal(38,0)", None),
        ("f", "float", None),
        ("n", "float", None),
        ("nested", "text", "json"),
        ("i", "text", None),
        ("nothing", "text", None),
        ("t", "timestamp", "%Y-%m-%dT%H:%M:%S.%6f"),
        ("z", "timestamp_tz", "%Y-%m-%dT%H:%M:%S.%6fZ"),
        ("b", "text", "base64"),
        ("whole_1", "integer", None),
    ]
    assert made.steps[0].sample == [
        {
            "whole": 1, "wide": "9223372036854775808", "f": 1.5, "n": "NaN", "nested": '{"a":[1,2]}', "i": "1 day",
            "nothing": None, "t": "2025-11-22T10:00:00.000000", "z": "2025-11-22T08:00:00.000000Z", "b": "eA==",
            "whole_1": 2,
        }
    ]  # fmt: skip
    assert read_page([(tmp_path / "out" / "part-00000.parquet", 0, 1)], made.columns) == made.steps[0].sample


def test_a_spelling_stays_only_if_every_value_can_be_written_so(tmp_path: Path) -> None:
    rows: list[Cells] = [{"moment": "2025-11-22 10:30"}, {"moment": "2025-11-23 08:00"}]
    place = tmp_path / "times"
    place.mkdir()
    manifest = read(place, rows)
    assert types(manifest.columns) == [("moment", "timestamp", "%Y-%m-%d %H:%M")]
    times = Input([place / part.file for part in manifest.parts], manifest.columns)
    steps = [
        Step("hour", "SELECT moment + INTERVAL 1 HOUR AS moment FROM times"),
        Step("second", "SELECT moment + INTERVAL 1 SECOND AS moment FROM times"),
    ]
    made = run({"times": times}, steps, temp=tmp_path, out=None, bounds=BOUNDS)
    assert made.steps[0].sample[0] == {"moment": "2025-11-22 11:30"}
    assert made.steps[1].sample[0] == {"moment": "2025-11-22T10:30:01.000000"}


def test_values_are_bound(tmp_path: Path) -> None:
    name = "Anna'; DROP VIEW orders; --"
    values = {"name": name, "ids": [1, 2], "least": 0.5, "not": False, "null": None, "unused": "\ud800"}
    sql = """SELECT $name AS name, count(*) AS n, $null AS nothing FROM orders
        WHERE customer = $name OR list_contains($ids, id) AND price > $least AND paid <> $not"""
    made = ran(tmp_path, Step("x", sql, values))
    assert made.steps[0].sample == [{"name": name, "n": 1, "nothing": None}]


def test_an_input_may_have_no_rows(tmp_path: Path) -> None:
    columns = [Column("n", "integer", ""), Column("d", "decimal(18,2)", ""), Column("t", "timestamp_tz", "")]
    steps = [Step("x", "SELECT * FROM empty"), Step("y", "SELECT *, count(*) OVER () AS c FROM x")]
    made = run({"empty": Input([], columns)}, steps, temp=tmp_path, out=tmp_path, bounds=BOUNDS)
    assert (made.rows, made.parts) == (0, [])
    assert [column.type for column in made.columns] == ["integer", "decimal(18,2)", "timestamp_tz", "integer"]


def test_a_sample_ends_before_it_gets_too_large(tmp_path: Path) -> None:
    bounds = Bounds(seconds=300, memory_bytes=512 * MIB, sample_bytes=1_000)
    step = Step("x", "SELECT repeat('x', 400) AS x FROM range(10)")
    assert len(ran(tmp_path, step, bounds=bounds).steps[0].sample) == 2


@pytest.mark.parametrize(
    ("sql", "kind", "sentence"),
    [
        ("SELECT nam FROM orders", SqlFailedError, 'Binder Error: Referenced column "nam" not found in FROM clause!'),
        ("SELECT *\nFROM orders\nWHERE x = 1", SqlFailedError, "(line 3)"),
        ("SELECT customer::INT FROM orders", SqlFailedError, "Could not convert string 'Anna' to INT32"),
        ("SELECT FROM WHERE", SqlFailedError, 'Parser Error: syntax error at or near "WHERE"'),
        ("SELECT 1 +" + " 1 +" * 3000 + " 1", SqlFailedError, "Max expression depth limit"),
        ("SELECT '\ud800' AS x", SqlRefusedError, "half of a character"),
        ("SELECT $x AS x", SqlRefusedError, "The SQL has a parameter that no value was given for: $x."),
    ],
)
def test_an_error_says_what_is_wrong_with_the_sql(
    sql: str, kind: type[SandboxError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(kind) as wrong:
        ran(tmp_path, Step("wrong", sql), Step("later", "SELECT 1"))
    assert sentence in str(wrong.value)
    assert str(tmp_path) not in str(wrong.value)
    assert "CREATE TABLE" not in str(wrong.value)
    assert wrong.value.step == "wrong"


def test_the_steps_before_a_failure_are_told(tmp_path: Path) -> None:
    with pytest.raises(SqlFailedError) as wrong:
        ran(tmp_path, Step("one", "SELECT 1 AS x"), Step("two", "SELECT ('a' || x)::INT FROM one"))
    assert wrong.value.step == "two"
    assert [(step.name, step.sample) for step in wrong.value.done] == [("one", [{"x": 1}])]


@pytest.mark.parametrize(
    ("sql", "kind", "sentence"),
    [
        ("FROM range(1001)", RowsExceededError, "The SELECT makes more than 1000 rows, which are kept at most."),
        ("SELECT 1, 2, 3, 4", OutputExceededError, "The SELECT makes 4 columns; at most 3 are kept."),
        (
            "SELECT repeat('x', 101) AS x",
            OutputExceededError,
            "A cell of the column 'x' has too many bytes to be kept.",
        ),
        (
            "SELECT md5(range::VARCHAR) FROM range(1000)",
            OutputExceededError,
            "The result takes more than 10000 bytes, which are kept at most.",
        ),
        (
            "SELECT len(range(100000000))",
            MemoryExceededError,
            "The SQL needs more memory than a run has: filter, group or sort less at once.",
        ),
    ],
)
def test_what_is_exceeded_is_told(sql: str, kind: type[SandboxError], sentence: str, tmp_path: Path) -> None:
    bounds = Bounds(
        seconds=300, memory_bytes=400 * MIB, output_rows=1_000, output_bytes=10_000, columns=3, cell_bytes=100
    )
    with pytest.raises(kind) as exceeded:
        ran(tmp_path, Step("x", sql), bounds=bounds, write=True)
    assert str(exceeded.value) == sentence
    assert list((tmp_path / "out").iterdir()) == []


def test_exactly_as_many_rows_as_are_kept_are_kept(tmp_path: Path) -> None:
    bounds = Bounds(seconds=300, memory_bytes=400 * MIB, output_rows=1_000)
    assert ran(tmp_path, Step("x", "FROM range(1000)"), bounds=bounds).rows == 1_000


# More than the hundred megabytes that the database has here.
LARGE = "SELECT range, md5(range::VARCHAR) || md5((-range)::VARCHAR) AS m FROM range(1000000) ORDER BY m"


def test_what_is_put_aside_is_bounded(tmp_path: Path) -> None:
    bounds = Bounds(seconds=300, cpu_seconds=60, memory_bytes=400 * MIB, spill_bytes=MIB)
    with pytest.raises(MemoryExceededError):
        ran(tmp_path, Step("x", LARGE), bounds=bounds)


def test_more_than_the_memory_is_put_aside(tmp_path: Path) -> None:
    bounds = Bounds(seconds=300, cpu_seconds=60, memory_bytes=400 * MIB)
    made = ran(tmp_path, Step("x", LARGE), bounds=bounds)
    assert made.rows == 1_000_000
    assert made.usage.peak_memory_bytes < 400 * MIB


def test_who_is_told_of_steps_can_end_the_run(tmp_path: Path) -> None:
    told: list[str] = []

    def cancel(step: StepResult) -> None:
        told.append(step.name)
        raise InterruptedError

    endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r"
    children, began = Path(f"/proc/self/task/{os.getpid()}/children"), time.monotonic()
    before = children.read_text()
    with pytest.raises(InterruptedError):
        run({}, [Step("a", "SELECT 1"), Step("b", endless)], temp=tmp_path, out=None, bounds=BOUNDS, on_step=cancel)
    # The run itself would go on for its 60 seconds of CPU.
    assert time.monotonic() - began < 60
    assert told == ["a"]
    assert list(tmp_path.iterdir()) == []
    assert children.read_text() == before


def test_what_is_told_of_memory_is_the_run_s_own_however_much_its_starter_has(tmp_path: Path) -> None:
    held = bytearray(1024 * 1024 * 1024)
    assert not any(held[:: 4 * 1024 * 1024])
    usage = run({}, [Step("a", "SELECT 1")], temp=tmp_path, out=None, bounds=BOUNDS).usage
    assert 0 < usage.peak_memory_bytes < len(held) // 2


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ("os.kill(os.getpid(), 11)", EngineStoppedError),
        ("os._exit(0)", EngineStoppedError),
        ("raise ValueError('a defect')", EngineStoppedError),
        ("os.kill(os.getpid(), 9)", MemoryExceededError),
        ("raise MemoryError", MemoryExceededError),
        ("os.kill(os.getpid(), 24)", sandbox.CpuExceededError),
        ("os.close(1); import time; time.sleep(60)", sandbox.TimeExceededError),
    ],
)
def test_a_process_that_dies_is_understood(
    ending: str, kind: type[SandboxError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "child.py"
    script.write_text(f'import os\nprint(\'{{"started": "x"}}\', flush=True)\n{ending}\n')
    monkeypatch.setattr(sandbox, "_CHILD", script)
    late = kind is sandbox.TimeExceededError
    with pytest.raises(kind) as ended:
        run({}, [Step("x", "SELECT 1")], temp=tmp_path, out=None, bounds=Bounds(seconds=1 if late else 300))
    # A machine may be too busy to start it within a second.
    assert ended.value.step == "x" or late
    assert ("ValueError: a defect" in ended.value.detail) == ("defect" in ending)


@pytest.mark.parametrize("names", [(), ("a", "A"), ("Orders",)])
def test_names_are_told_apart_by_more_than_their_case(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no two of its names are equal"):
        run({"orders": Input([], [])}, [Step(name, "SELECT 1") for name in names], temp=tmp_path, out=None)


def test_the_inputs_are_links_that_cannot_be_written(tmp_path: Path) -> None:
    given = orders(tmp_path)
    run({"orders": given}, [Step("x", "FROM orders")], temp=tmp_path, out=None, bounds=BOUNDS)
    assert [file.stat().st_mode & 0o777 for file in given.files] == [0o400, 0o400]
    assert [file.stat().st_nlink for file in given.files] == [1, 1]
