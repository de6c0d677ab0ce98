"""A file becomes the next version: nothing is lost, nothing changes silently, and a plan is what happens."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine import schema
from fluvial.engine.manifest import Manifest
from fluvial.engine.merge import Counts, Merge, Wish
from fluvial.engine.rows import read_rejects
from fluvial.errors import InvalidError
from tests.core.engine.tables import Cells, Version, first, incoming, merged, planned

SLOW = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
ROWS: list[Cells] = [{"id": str(at), "n": str(at * 10), "t": f"x{at}"} for at in range(1, 8)]


def rejects(version: Version) -> list[dict[str, Any]]:
    name = version.manifest.rejects_file
    return read_rejects(version.bucket / version.location / name, 0, 10**6) if name else []


@pytest.fixture
def base(tmp_path: Path) -> Version:
    return first(tmp_path, ROWS)


# ---------------------------------------------------------------- the modes


def test_an_append_names_the_old_parts_and_takes_over_the_new_ones(base: Version) -> None:
    more = [{"id": "8", "n": "80", "t": "x8"}]
    version, plan = merged(base, more, "append")
    assert version.texts() == [*ROWS, *more]
    assert (plan.counts, plan.changes) == (Counts(insert=1), schema.Changes())
    assert [(part.file, part.location, part.first_row) for part in version.manifest.parts] == [
        ("part-00000.parquet", base.location, 0),
        ("part-00001.parquet", base.location, 3),
        ("part-00002.parquet", base.location, 6),
        ("part-00000.parquet", None, 7),
    ]
    again, _ = merged(version, more, "append")
    assert [part.location for part in again.manifest.parts] == [base.location] * 3 + [version.location, None]
    assert again.page(6, 3) == [{"id": 7, "n": 70, "t": "x7"}, *[{"id": 8, "n": 80, "t": "x8"}] * 2]


def test_an_upsert_changes_rows_in_place_and_adds_new_ones_at_the_end(base: Version) -> None:
    rows = [
        {"id": "9", "n": "90", "t": "new"},
        {"id": "2", "n": "0", "t": "changed"},
        {"id": "3", "n": "30", "t": "x3"},
        {"id": "8", "n": "80", "t": "new too"},
    ]
    version, plan = merged(base, rows, "upsert", "id")
    assert version.texts() == [ROWS[0], rows[1], *ROWS[2:], rows[0], rows[3]]
    assert plan.counts == Counts(insert=2, update=1, skip=1)
    # Only the part with the changed row was written anew.
    assert [part.location for part in version.manifest.parts] == [None, base.location, base.location, None, None]


def test_an_upsert_keeps_cells_of_columns_that_the_file_lacks(base: Version) -> None:
    version, plan = merged(base, [{"ID": "2", "n": "5"}, {"ID": "8", "n": "6"}], "upsert", "id")
    assert version.texts()[1] == {"id": "2", "n": "5", "t": "x2"}
    assert version.texts()[-1] == {"id": "8", "n": "6", "t": None}
    assert plan.changes == schema.Changes(missing=["t"])


def test_a_deletion_removes_the_rows_that_the_file_names(base: Version) -> None:
    version, plan = merged(base, [{"id": "1"}, {"id": "2"}, {"id": "3"}, {"id": "5"}, {"id": "99"}], "delete", "id")
    assert version.texts() == [ROWS[3], *ROWS[5:]]
    assert plan.counts == Counts(delete=4, skip=1)
    # A part without a row left is gone.
    assert [(part.rows, part.location) for part in version.manifest.parts] == [(2, None), (1, base.location)]


def test_a_table_can_lose_all_rows_and_get_others(base: Version) -> None:
    empty, plan = merged(base, ROWS, "delete", "id")
    assert (empty.texts(), plan.counts, empty.types()) == ([], Counts(delete=7), base.types())
    full, _ = merged(empty, ROWS, "append")
    assert full.texts() == ROWS


def test_a_replacement_has_the_files_rows_and_columns(base: Version) -> None:
    rows: list[Cells] = [{"n": "1.5", "new": "a"}]
    version, plan = merged(base, rows, "replace")
    assert version.texts() == rows
    assert plan.counts == Counts(insert=1, delete=7)
    assert plan.changes == schema.Changes([("new", "text")], [("n", "integer", "decimal(18,1)")], ["id", "t"])


# ---------------------------------------------------------------- keys


def test_all_rows_of_one_key_but_the_last_are_rejected(base: Version) -> None:
    rows: list[Cells] = [
        {"id": "1", "n": "1", "t": "a"},
        {"id": "1", "n": "2", "t": "b"},
        {"id": None, "n": "3", "t": "c"},
        {"id": "1", "n": "3", "t": "d"},
    ]
    version, plan = merged(base, rows, "upsert", "id")
    assert version.texts()[0] == rows[-1]
    assert plan.counts == Counts(update=1, reject=3)
    assert rejects(version) == [
        {
            "line": 2,
            "column": None,
            "cause": "the key occurs again in line 3",
            "raw": '{"id":"1","n":"1","t":"a"}',
        },
        {"line": 3, "column": None, "cause": "the key occurs again in line 5", "raw": '{"id":"1","n":"2","t":"b"}'},
        {"line": 4, "column": 1, "cause": "the key column 'id' is empty", "raw": '{"id":null,"n":"3","t":"c"}'},
    ]
    assert (version.manifest.rejected, version.manifest.source_rows) == (3, 4)


def test_keys_are_compared_after_widening(base: Version) -> None:
    version, plan = merged(base, [{"id": "2", "n": "1", "t": "y"}, {"id": "a", "n": "2", "t": "z"}], "upsert", "id")
    assert (version.types()["id"], plan.counts) == ("text", Counts(insert=1, update=1))
    assert [row["id"] for row in version.texts()] == ["1", "2", "3", "4", "5", "6", "7", "a"]
    gone, plan = merged(base, [{"id": "2"}, {"id": "a"}], "delete", "id")
    # A deletion compares, and leaves the columns as they are.
    assert (gone.types(), plan.counts) == (base.types(), Counts(delete=1, skip=1))


def test_a_key_of_several_columns_tells_rows_apart(tmp_path: Path) -> None:
    base = first(tmp_path, [{"a": a, "b": b, "v": "1"} for a in "xy" for b in "12"])
    version, plan = merged(base, [{"a": "y", "b": "1", "v": "2"}, {"a": "y", "b": "3", "v": "3"}], "upsert", "b", "A")
    assert [row["v"] for row in version.texts()] == ["1", "1", "2", "1", "3"]
    assert plan.counts == Counts(insert=1, update=1)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((), "'key' must name the columns that tell rows apart, to upsert by them."),
        (("nr",), "The data has no column 'nr' for the key. It has id, n, t."),
        (("n",), "The file has no column 'n' for the key. It has id, t."),
    ],
)
def test_a_key_that_cannot_be_is_refused(base: Version, key: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidError) as refused:
        merged(base, [{"id": "1", "t": "x"}], "upsert", *key)
    assert (refused.value.field, str(refused.value)) == ("key", message)


def test_a_key_that_two_rows_of_the_data_have_is_refused_where_the_file_means_it(tmp_path: Path) -> None:
    base = first(tmp_path, [{"k": each, "v": "1"} for each in ("a", "b", "c", "d", "b")])
    with pytest.raises(InvalidError, match="rows 2 and 5 have the same"):
        merged(base, [{"k": "b", "v": "2"}], "upsert", "k")
    assert merged(base, [{"k": "a", "v": "2"}], "upsert", "k")[1].counts == Counts(update=1)
    assert merged(base, [{"k": "b"}], "delete", "k")[1].counts == Counts(delete=2)


# ---------------------------------------------------------------- drift


@pytest.mark.parametrize(
    ("old", "new", "type_"),
    [
        (["1", "2"], ["12345678901234567890"], "decimal(38,0)"),
        (["1.50"], ["12345678901234567.25"], "decimal(38,2)"),
        (["1", "2"], ["2.5"], "float"),
        (["1", "2"], ["2.50"], "text"),
        (["1.5"], ["2.25"], "float"),
        (["1.50"], ["2.5"], "text"),
        (["2025-11-22"], ["22.11.2025"], "text"),
        (["2025-11-22"], ["soon"], "text"),
        (["13/02/2025"], ["2025-11-22"], "text"),
        (["true"], ["1"], "text"),
        (["yes", "no"], ["true", "false"], "text"),
        (["2025-11-22T12:00:00Z"], ["2025-11-22T12:00:00+01:00"], "text"),
        (["a"], ["1"], "text"),
        ([None], ["1"], "integer"),
        (["2025-11-22"], [None], "date"),
    ],
)
def test_a_column_widens_and_every_cell_keeps_its_text(
    tmp_path: Path, old: list[str | None], new: list[str | None], type_: str
) -> None:
    before, after = [[{"k": "x", "v": cell} for cell in cells] for cells in (old, new)]
    base = first(tmp_path, before)
    version, plan = merged(base, after, "append")
    assert version.texts() == [*before, *after]
    assert version.types()["v"] == type_
    was = base.types()["v"]
    assert plan.changes.widened == ([] if was == type_ else [("v", was, type_)])


def test_new_columns_are_null_before_and_missing_ones_after(base: Version) -> None:
    version, plan = merged(base, [{"new": "1", "id": "8"}], "append")
    assert version.texts() == [
        *({**row, "new": None} for row in ROWS), {"id": "8", "n": None, "t": None, "new": "1"}
    ]  # fmt: skip
    assert plan.changes == schema.Changes([("new", "integer")], [], ["n", "t"])
    assert list(version.types()) == ["id", "n", "t", "new"]


def test_frozen_columns_refuse_a_file_with_others_and_take_one_with_the_same(base: Version) -> None:
    with pytest.raises(InvalidError) as refused:
        merged(base, [{"id": "8", "n": "x", "more": "1"}], "append", drift="freeze")
    assert str(refused.value) == (
        "The columns of this data are frozen, and the file has others: column 'more' (integer) is new; "
        "column 't' (text) is missing."
    )
    with pytest.raises(InvalidError, match="column 'n' is integer, and text in the file"):
        merged(base, [{"id": "8", "n": "x", "t": "x8"}], "append", drift="freeze")
    more: list[Cells] = [{"t": "8", "n": None, "id": "8"}]
    version, _ = merged(base, more, "append", drift="freeze")
    assert (version.texts(), version.types()) == ([*ROWS, *more], base.types())
    replaced, _ = merged(base, more, "replace", drift="freeze")
    assert (replaced.texts(), replaced.types()) == (more, base.types())


def test_rows_that_do_not_fit_are_rejected_and_the_others_are_loaded(base: Version) -> None:
    rows: list[Cells] = [
        {"id": "8", "n": "80", "more": None},
        {"id": "x", "n": "90", "more": None},
        {"id": "9", "n": "007", "more": None},
        {"id": "10", "n": "", "more": None},
        {"id": "11", "n": "110", "more": "?"},
    ]
    version, plan = merged(base, rows, "append", drift="reject")
    assert (plan.counts, plan.changes) == (Counts(insert=2, reject=3), schema.Changes(missing=["t"]))
    assert version.texts()[7:] == [{"id": "8", "n": "80", "t": None}, {"id": "10", "n": None, "t": None}]
    assert version.types() == base.types()
    assert [(each["line"], each["column"], each["cause"]) for each in rejects(version)] == [
        (3, 1, "the column 'id' is integer, and 'x' is not"),
        (4, 2, "the column 'n' is integer, and '007' is not"),
        (6, 3, "the data has no column 'more'"),
    ]


def test_parts_that_cannot_have_a_key_are_not_even_fetched(tmp_path: Path) -> None:
    base = first(tmp_path, [{"k": f"{at:03d}x", "v": "1"} for at in range(30)])
    fetched: list[str] = []

    def fetch(part: Any) -> Path:
        fetched.append(part.file)
        return base.path(part)

    file, out = incoming(tmp_path, [{"k": "010x", "v": "2"}]), Path(tempfile.mkdtemp(dir=tmp_path))
    counted = base.base()
    with Merge(
        type(counted)(counted.manifest, counted.location, counted.folder, fetch), file, Wish("upsert", ("k",)),
        temp=tmp_path, out=out,
    ) as merge:  # fmt: skip
        merge.write()
    assert set(fetched) == {"part-00003.parquet"}


def test_columns_may_have_the_names_that_sql_uses_itself(tmp_path: Path) -> None:
    names = ["file_row_number", "at", "c0", "k0", 'a"b', "select"]
    rows = [dict.fromkeys(names, f"{at}") for at in range(5)]
    base = first(tmp_path, rows, part_rows=2)
    changed: Cells = {**rows[3], "at": "99"}
    version, plan = merged(base, [changed, dict.fromkeys(names, "7")], "upsert", "file_row_number", 'a"b')
    assert version.texts() == [*rows[:3], changed, rows[4], dict.fromkeys(names, "7")]
    assert plan.counts == Counts(insert=1, update=1)
    assert merged(version, [changed], "delete", "c0", "at")[1].counts == Counts(delete=1)


def test_a_manifest_without_locations_is_read_as_before(base: Version) -> None:
    fields = json.loads(base.manifest.to_json())
    del fields["merged"]
    for part in fields["parts"]:
        del part["location"]
    assert Manifest.from_json(json.dumps(fields)) == base.manifest


# ---------------------------------------------------------------- against a naive model

POOLS = (
    ["1", "2", "30", "-4", None],
    ["1", "9007199254740993", "12345678901234567890"],
    ["1.50", "2.25", None],
    ["1.5", "2", "0.1"],
    ["2025-11-22", "2024-02-29"],
    ["22.11.2025", "29.02.2024"],
    ["true", "false"],
    ["007", "a", "", "é", "x,y", 'q"'],
    [None],
)
KEYS = (["1", "2", "3", "4", "5", "6"], ["3", "4", "x", "y"], ["1.5", "2", "1"], ["2", "3", None])


@st.composite
def files(draw: st.DrawFn) -> list[Cells]:
    """A file with a key and some of three columns, each of cells of one kind, so that types come and go."""
    key = draw(st.sampled_from(KEYS))
    columns = {name: draw(st.sampled_from(POOLS)) for name in draw(st.sets(st.sampled_from("abc"), min_size=1))}
    one = st.fixed_dictionaries(
        {"k": st.sampled_from(key)} | {name: st.sampled_from(pool) for name, pool in columns.items()}
    )
    return draw(st.lists(one, min_size=1, max_size=9))


STEPS = st.lists(st.tuples(st.sampled_from(["append", "upsert", "delete", "replace"]), files()), max_size=5)


def applied(table: list[Cells], columns: list[str], mode: str, file: list[Cells]) -> tuple[list[Cells], list[str]]:
    """The same by plain lists of texts."""
    if mode == "replace":
        return file, list(file[0])
    last = {row["k"]: row for row in file if row["k"] is not None}
    if mode == "delete":
        return [row for row in table if row["k"] not in last], columns
    columns = [*columns, *(name for name in file[0] if name not in columns)]
    if mode == "append":
        return table + file, columns
    kept = {id(row) for row in last.values()}
    known = {row["k"] for row in table}
    changed = [{**row, **last.get(row["k"], {})} for row in table]
    return changed + [row for row in file if id(row) in kept and row["k"] not in known], columns


@SLOW
@given(start=files(), steps=STEPS)
def test_a_sequence_of_imports_makes_the_table_that_plain_lists_make(
    start: list[Cells], steps: list[tuple[str, list[Cells]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        version = first(Path(folder), start)
        table, columns = list(start), list(start[0])
        for mode, file in steps:
            keys = [row["k"] for row in table if row["k"] is not None]
            twice = {key for key in keys if keys.count(key) > 1} & {row["k"] for row in file}
            if mode == "upsert" and twice:
                with pytest.raises(InvalidError, match="does not tell the rows of the data apart"):
                    merged(version, file, mode, "k")
                continue
            version, plan = merged(version, file, mode, "k")
            before = len(table)
            table, columns = applied(table, columns, mode, file)
            assert version.texts() == [{name: row.get(name) for name in columns} for row in table]
            counts = plan.counts
            assert len(table) == before + counts.insert - counts.delete
            if mode == "upsert":
                assert counts.insert + counts.update + counts.skip + counts.reject == len(file)
            elif mode == "delete" and not twice:
                assert counts.delete + counts.skip + counts.reject == len(file)
            elif mode in ("append", "replace"):
                assert (counts.insert, counts.reject) == (len(file), 0)


@SLOW
@given(start=files(), file=files(), mode=st.sampled_from(["append", "upsert", "replace"]))
def test_under_reject_the_columns_stay_and_every_record_is_accounted_for(
    start: list[Cells], file: list[Cells], mode: str
) -> None:
    start = list({row["k"]: row for row in start}.values())
    with tempfile.TemporaryDirectory() as folder:
        base = first(Path(folder), start)
        version, plan = merged(base, file, mode, "k", drift="reject")
        assert version.types() == base.types()
        counts = plan.counts
        assert counts.insert + counts.update + counts.skip + counts.reject == len(file)
        assert len(rejects(version)) == counts.reject
        loaded = version.texts()[len(start) if mode == "append" else 0 :]
        if mode != "upsert":
            assert len(loaded) == counts.insert
        texts = {json.dumps(json.loads(each["raw"]), sort_keys=True) for each in rejects(version)}
        for row in file:
            shown = {name: row.get(name) or None for name in base.types()}
            assert (
                json.dumps(row, sort_keys=True) in texts
                or {name: cell or None for name, cell in shown.items() if name in row}.items()
                <= {name: cell or None for name, cell in row.items()}.items()
            )


def test_a_plan_writes_nothing(base: Version) -> None:
    file = incoming(base.bucket, [{"id": "1", "n": "1", "t": "t"}])
    assert planned(base, file, Wish("upsert", ("id",))).counts == Counts(update=1)
