"""Two versions are compared exactly, whatever their parts, and only what one of them has alone is read."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine import compare as engine
from fluvial.engine.compare import CompareFailedError, Comparison, Counts, Difference, Side, compare
from fluvial.errors import InvalidError
from tests.core.engine.tables import Cells, Version, first, merged

SLOW = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
ROWS: list[Cells] = [{"id": str(at), "n": str(at * 10)} for at in range(1, 8)]


def compared(before: Version, after: Version, *key: str, fetched: list[str] | None = None, **more: float) -> Comparison:
    def fetch(key: str) -> Path:
        if fetched is not None:
            fetched.append(key)
        return before.bucket / key

    with tempfile.TemporaryDirectory(dir=before.bucket) as temp:
        return compare(
            Side(before.manifest, before.location),
            Side(after.manifest, after.location),
            key,
            fetch=fetch,
            folder=before.bucket,
            temp=Path(temp),
            timeout_seconds=more.get("timeout_seconds", 60),
        )


def expected(before: Version, after: Version, key: Sequence[str]) -> Counts:
    """The same in Python, by the texts of all rows."""
    names = sorted({column.name.lower() for side in (before, after) for column in side.manifest.columns})
    sides = []
    for side in (before, after):
        rows = ({name.lower(): text for name, text in row.items()} for row in side.texts())
        sides.append(Counter(tuple(row.get(name) for name in names) for row in rows))
    olds, news = sides[0] - sides[1], sides[1] - sides[0]
    unchanged = (sides[0] & sides[1]).total()
    if not key:
        return Counts(news.total(), olds.total(), 0, unchanged)
    by_key = []
    for side in (olds, news):
        found: Counter[tuple[str | None, ...]] = Counter()
        for row, count in side.items():
            found[tuple(row[names.index(name)] for name in key)] += count
        by_key.append(found)
    changed = (by_key[0] & by_key[1]).total()
    ambiguous = {each for side in by_key for each, count in side.items() if count > 1}
    return Counts(news.total() - changed, olds.total() - changed, changed, unchanged, len(ambiguous))


def test_rows_are_added_removed_changed_and_unchanged_by_a_key(tmp_path: Path) -> None:
    before = first(tmp_path, ROWS)
    upserted, _ = merged(
        before, [{"id": "9", "n": "90"}, {"id": "2", "n": "0"}, {"id": "3", "n": "30"}], "upsert", "id"
    )
    after, _ = merged(upserted, [{"id": "5"}], "delete", "id")
    found = compared(before, after, "ID")
    assert found.counts == Counts(added=1, removed=1, changed=1, unchanged=5)
    assert found.differences == [
        Difference("removed", 5, None, {"id": 5, "n": 50}, None),
        Difference("added", None, 7, None, {"id": 9, "n": 90}),
        Difference("changed", 2, 2, {"id": 2, "n": 20}, {"id": 2, "n": 0}),
    ]
    assert not found.truncated
    # The other way round.
    assert compared(after, before, "id").counts == Counts(added=1, removed=1, changed=1, unchanged=5)
    # Without a key a changed row is one that is gone, and one that came.
    assert compared(before, after).counts == Counts(added=2, removed=2, changed=0, unchanged=5)


def test_parts_that_both_versions_name_are_not_read(tmp_path: Path) -> None:
    before = first(tmp_path, ROWS)
    after, _ = merged(before, [{"id": "2", "n": "0"}], "upsert", "id")
    fetched: list[str] = []
    assert compared(before, after, "id", fetched=fetched).counts == Counts(0, 0, 1, 6)
    read = {f"{before.location}part-00000.parquet", f"{after.location}part-00000.parquet"}
    assert set(fetched) == read
    fetched.clear()
    assert compared(before, before, "id", fetched=fetched).counts == Counts(0, 0, 0, 7)
    assert fetched == []


def test_rows_are_counted_as_often_as_they_are_there(tmp_path: Path) -> None:
    one, two = {"id": "1", "n": "1"}, {"id": "2", "n": None}
    before, after = first(tmp_path, [one, one, one, two]), first(tmp_path, [two, one, two, two])
    assert compared(before, after).counts == Counts(added=2, removed=2, changed=0, unchanged=2)
    found = compared(before, after, "id")
    assert found.counts == Counts(added=2, removed=2, changed=0, unchanged=2, ambiguous_keys=2)
    assert [(each.change, each.row_before, each.row_after) for each in found.differences] == [
        ("removed", 2, None),
        ("removed", 3, None),
        ("added", None, 3),
        ("added", None, 4),
    ]


def test_a_widened_column_and_a_column_that_one_version_lacks_change_no_row_by_themselves(tmp_path: Path) -> None:
    before = first(tmp_path, ROWS)
    more: list[Cells] = [{"id": "8", "n": "x", "new": None}, {"id": "9", "n": "y", "new": "z"}]
    after, _ = merged(before, more, "append")
    assert after.types() == {"id": "integer", "n": "text", "new": "text"}
    assert compared(before, after, "id").counts == Counts(added=2, removed=0, changed=0, unchanged=7)
    valued, _ = merged(after, [{"id": "3", "new": "v"}], "upsert", "id")
    found = compared(before, valued, "id")
    assert found.counts == Counts(added=2, removed=0, changed=1, unchanged=6)
    assert found.differences[-1] == Difference("changed", 3, 3, {"id": 3, "n": 30}, {"id": 3, "n": "30", "new": "v"})


def test_null_an_empty_text_and_cells_that_meet_are_told_apart(tmp_path: Path) -> None:
    rows: list[Cells] = [{"a": "x", "b": ""}, {"a": "x", "b": None}, {"a": "1:y", "b": "z"}, {"a": "", "b": "x"}]
    other: list[Cells] = [{"a": "x", "b": "-"}, {"a": None, "b": "x"}, {"a": "1:", "b": "yz"}, {"a": "x1:", "b": "q"}]
    found = compared(first(tmp_path, rows), first(tmp_path, other))
    assert found.counts == Counts(added=4, removed=4, changed=0, unchanged=0)


def test_what_is_not_shown_is_said_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = first(tmp_path, ROWS)
    after = first(tmp_path, [{"id": each["id"], "n": "0"} for each in ROWS])
    monkeypatch.setattr(engine, "SHOWN", 2)
    found = compared(before, after, "id")
    assert (found.counts.changed, len(found.differences), found.truncated) == (7, 2, True)
    monkeypatch.setattr(engine, "MAX_SHOWN_BYTES", 50)
    found = compared(before, after, "id")
    assert (found.counts.changed, len(found.differences), found.truncated) == (7, 1, True)


def test_names_of_columns_that_the_engine_uses_itself_do_no_harm(tmp_path: Path) -> None:
    names = ("nr", "row", "key", "side", "file_row_number", 'a"b')
    before = first(tmp_path, [dict.fromkeys(names, "1"), dict.fromkeys(names, "2")])
    after = first(tmp_path, [dict.fromkeys(names, "1"), dict.fromkeys(names, "2") | {"nr": "3"}])
    assert compared(before, after, "key", 'a"b').counts == Counts(0, 0, 1, 1)


def test_a_comparison_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = first(tmp_path, ROWS)

    def endless(self: engine._Compare) -> Comparison:
        while True:
            self.sql.execute("SELECT count(*) FROM range(1000000000)")

    monkeypatch.setattr(engine._Compare, "run", endless)
    with pytest.raises(CompareFailedError, match="took too long"):
        compared(version, version, timeout_seconds=0)


CELLS = st.sampled_from(["1", "2", "3", None])
TABLE = st.lists(
    st.fixed_dictionaries({"k": CELLS, "v": st.sampled_from(["1", "2.5", "x", "", None])}), min_size=1, max_size=9
)


@SLOW
@given(
    TABLE,
    TABLE,
    TABLE,
    st.sampled_from(["append", "upsert", "replace", "delete"]),
    st.sampled_from([(), ("k",), ("k", "v")]),
)
def test_counts_are_those_of_the_rows_themselves(
    tmp_path: Path, base: list[Cells], file: list[Cells], other: list[Cells], mode: str, key: tuple[str, ...]
) -> None:
    before = first(tmp_path, base)
    assert compared(before, stranger := first(tmp_path, other), *key).counts == expected(before, stranger, key)
    try:
        after, _ = merged(before, file, mode, *(["k"] if mode in ("upsert", "delete") else []))
    except InvalidError:
        return  # an upsert by a key that the base has twice
    assert compared(before, after, *key).counts == expected(before, after, key)
