"""The data of a chart over Parquet parts is what plain Python makes of the same rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import chart_queries, queries
from fluvial.chart_queries import ChartQuery, Dimension, Measure
from fluvial.engine import chart_data, conditions
from fluvial.engine.chart_data import Chart
from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column, Part
from fluvial.engine.prune import pruned
from fluvial.engine.select import TooMuchMemoryError, TooSlowError
from fluvial.errors import InvalidError

# Names that the SQL has for its own things, and one that would end a statement.
INTEGER, DECIMAL, FLOAT, DAY, CLOCK, MOMENT, TRUTH = "k", "c0", "m0", "s", "level", "position", "labels"
TEXT = 'n"; DROP TABLE groups; --'
COLUMNS = [
    Column(INTEGER, "integer", ""),
    Column(DECIMAL, "decimal(20,2)", "", "decimal_comma"),
    Column(FLOAT, "float", ""),
    Column(DAY, "date", "", "%d/%m/%Y"),
    Column(CLOCK, "timestamp", "", "%Y-%m-%d %H:%M:%S"),
    Column(MOMENT, "timestamp_tz", "", "%Y-%m-%dT%H:%M:%S+05:30"),
    Column(TRUTH, "boolean", "", "true/false"),
    Column(TEXT, "text", ""),
]
TYPES = {column.name: column.type for column in COLUMNS}
NAMES = list(TYPES)
SQL = ["BIGINT", "DECIMAL(20,2)", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "BOOLEAN", "VARCHAR"]
OWN_CLOCK = timedelta(hours=5, minutes=30)
Row = tuple[Any, ...]

# Around these moments clocks were changed: by an hour, by half of one, at a minute past midnight, by a whole day.
CHANGES = {
    "Europe/Berlin": ["2025-03-30T01:00", "2025-10-26T01:00"],
    "America/New_York": ["2025-11-02T06:00"],
    "Australia/Lord_Howe": ["2025-04-05T15:00", "2025-10-04T15:30"],
    "America/St_Johns": ["1990-04-01T03:31", "1990-10-28T02:31"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Asia/Kathmandu": ["2025-01-01T00:00"],
    "UTC": ["2025-01-01T00:00"],
}
MINUTES = st.sampled_from([-2900, -1441, -121, -61, -60, -31, -30, -1, 0, 1, 29, 30, 59, 60, 90, 119, 180, 1500])

CELLS = [
    st.sampled_from([-(2**63), -1, 0, 1, 2, 2**53, 2**53 + 1, 2**63 - 1]),
    st.sampled_from(["-1.50", "0.00", "0.01", "90071992547409.93", "999999999999999999.99"]).map(Decimal),
    st.sampled_from([-1.5, -0.0, 0.0, 0.1, 0.2, 1e300, math.inf, math.nan]),
    st.sampled_from(["2024-02-29", "2024-03-01", "2024-12-30", "2025-01-01", "2025-06-30"]).map(date.fromisoformat),
    st.sampled_from(["2025-01-01T00:00:00", "2025-01-01T00:59:59", "2025-01-02T23:00:01"]).map(datetime.fromisoformat),
    st.none(),
    st.booleans(),
    st.sampled_from(["", "a", "A", "ä", "null", "Other", "🙂", "'; DROP TABLE groups; --"]),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[Row]]:
    """A time zone, and rows with moments around a change of its clocks."""
    zone = draw(st.sampled_from(list(CHANGES)))
    change = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=UTC)
    cells = [st.none() | each for each in CELLS]
    cells[NAMES.index(MOMENT)] = st.none() | MINUTES.map(lambda minutes: change + timedelta(minutes=minutes))
    return zone, draw(st.lists(st.tuples(*cells), max_size=14))


@st.composite
def questions(draw: st.DrawFn, zone: str) -> dict[str, Any]:
    """A question that fits COLUMNS."""
    dimension = draw(dimensions(zone))
    if dimension["bucket"] is not None:
        dimension["fill"] = draw(st.booleans())
    filled = dimension.get("fill", False)
    measures = draw(st.lists(asked_measures(), min_size=1, max_size=3))
    measures = [{**each, "as": f"m{at}"} for at, each in enumerate(measures)]
    by = ["label"] if filled else ["label", *(each["as"] for each in measures)]
    order = st.fixed_dictionaries({"by": st.sampled_from(by), "order": st.sampled_from(queries.ORDERS)})
    rest = {"limit": st.none() | st.integers(1, 3), "other": st.booleans()}
    filters: list[dict[str, Any]] = draw(
        st.sampled_from(
            [
                [],
                [],
                [{"column": INTEGER, "operator": "ge", "value": 0}],
                [{"column": TEXT, "operator": "in", "value": ["a", "", "Other"]}],
                [{"column": DECIMAL, "operator": "is_not_null"}],
            ]
        )
    )
    return {
        "dimension": dimension,
        "series": draw(
            st.none() | dimensions(zone).flatmap(lambda each: st.fixed_dictionaries({**just(each), **rest}))
        ),
        "measures": measures,
        "filters": filters,
        "sort": draw(st.lists(order, max_size=2, unique_by=lambda each: each["by"])),
        **{name: draw(each) for name, each in rest.items()},
    }


def just(given: dict[str, Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.just(each) for name, each in given.items()}


@st.composite
def dimensions(draw: st.DrawFn, zone: str) -> dict[str, Any]:
    column = draw(st.sampled_from([*NAMES, MOMENT, MOMENT]))
    bucket, in_zone = None, False
    if TYPES[column] in queries.BUCKETED:
        allowed = queries.BUCKETS if column == DAY else chart_queries.BUCKETS
        bucket = draw(st.none() | st.sampled_from(allowed))
        in_zone = bucket is not None and column == MOMENT and draw(st.booleans())
    return {"column": column, "bucket": bucket, "timeZone": zone if in_zone else None}


@st.composite
def asked_measures(draw: st.DrawFn) -> dict[str, Any]:
    column = draw(st.none() | st.sampled_from(NAMES))
    if column is None:
        return {"aggregation": "count"}
    numbers = column in (INTEGER, DECIMAL, FLOAT)
    allowed = [each for each in chart_queries.FUNCTIONS if numbers or each not in ("sum", "avg", "median")]
    if column not in (TEXT, TRUTH):
        allowed.append("percentile")
    asked = {"column": column, "aggregation": draw(st.sampled_from(allowed))}
    return (
        {**asked, "p": draw(st.sampled_from([0, 7, 50, 99.9, 100]))} if asked["aggregation"] == "percentile" else asked
    )


# ---------------------------------------------------------------- the naive evaluator

Key = tuple[Any, Any]
"""What a label is ordered by, None for the null group; and the label."""


def comparable(value: Any) -> Any:
    """A value as Python orders it; NaN is equal to itself and above all."""
    if isinstance(value, float):
        return (1, 0.0) if math.isnan(value) else (0, value + 0.0)
    return value


def spelled(value: Any) -> Any:
    """A cell, or a number made of cells, as the answer has it."""
    if isinstance(value, float):
        value += 0.0
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return f"{value:%Y-%m-%d %H:%M:%S}"
        return f"{(value + OWN_CLOCK).replace(tzinfo=None).isoformat()}+05:30"
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else value


def offset_of(moment: datetime) -> str:
    return moment.isoformat()[19:]


def key(asked: Dimension, cell: Any) -> Key:
    if cell is None:
        return None, None
    if asked.bucket is None:
        return comparable(cell), spelled(cell)
    if not isinstance(cell, datetime):
        local: Any = datetime(cell.year, cell.month, cell.day)
    elif asked.time_zone is not None:
        local = cell.astimezone(ZoneInfo(asked.time_zone))
    else:
        local = cell if cell.tzinfo is None else (cell + OWN_CLOCK).replace(tzinfo=None)
    if asked.bucket in chart_queries.CLOCK_BUCKETS:
        offset = local.utcoffset()
        shown = local.replace(tzinfo=None, second=0, minute=0 if asked.bucket == "hour" else local.minute)
        if offset is not None:
            return (shown - offset, offset), shown.isoformat() + offset_of(local)
        return shown, shown.isoformat() + ("+05:30" if asked.column == MOMENT else "")
    day = local.date()
    if asked.bucket == "week":
        day -= timedelta(days=day.weekday())
    elif asked.bucket != "day":
        months = {"month": 1, "quarter": 3, "year": 12}[asked.bucket]
        day = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    return day, day.isoformat()


def between(asked: Dimension, cells: list[Any]) -> set[Key]:
    """The keys of all buckets from the first to the last, by looking at every quarter of an hour, or minute."""
    filled = [cell for cell in cells if cell is not None]
    if not filled:
        return set()
    keys = [key(asked, cell) for cell in filled]
    step = timedelta(days=1)
    if isinstance(filled[0], datetime):
        step = timedelta(hours=6) if asked.bucket not in chart_queries.CLOCK_BUCKETS else timedelta(minutes=15)
        step = timedelta(minutes=1) if asked.bucket == "minute" else step
    found, at = set(keys), min(filled)
    while at <= max(filled):
        found.add(key(asked, at))
        at += step
    return found


def measured(measure: Measure, rows: list[Row]) -> Any:
    if measure.column is None:
        return len(rows)
    cells = [row[NAMES.index(measure.column)] for row in rows]
    filled = [cell for cell in cells if cell is not None]
    decimal = measure.column == DECIMAL
    if measure.aggregation == "count":
        return len(filled)
    if measure.aggregation == "distinct":
        return len({comparable(cell) for cell in filled})
    if not rows and measure.aggregation == "sum":
        return Decimal("0.00") if decimal else 0.0 if measure.column == FLOAT else 0
    if not filled:
        return None
    ordered = sorted(filled, key=comparable)
    if measure.aggregation in ("min", "max"):
        return ordered[0 if measure.aggregation == "min" else -1]
    if measure.aggregation == "percentile":
        return ordered[max(1, math.ceil(Fraction(str(measure.p)) * len(ordered) / 100)) - 1]
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if measure.column == FLOAT:
        if measure.aggregation == "median":
            return low if comparable(low) == comparable(high) else low * 0.5 + high * 0.5
        return sum(filled) / (len(filled) if measure.aggregation == "avg" else 1)
    total = sum(Fraction(cell) for cell in filled)
    if measure.aggregation == "avg":
        return float(total / len(filled))
    exact = total if measure.aggregation == "sum" else (Fraction(low) + Fraction(high)) / 2
    if measure.aggregation == "sum" and not decimal:
        return int(exact)
    digits = 2 * decimal + (measure.aggregation == "median")
    scaled = int(exact * 10**digits)
    assert scaled == exact * 10**digits
    return Decimal(f"{scaled}E-{digits}")


def holds(each: queries.Filter, cell: Any) -> bool:
    return (
        cell is not None
        and {
            "ge": lambda: cell >= each.value,
            "in": lambda: cell in each.value,
            "is_not_null": lambda: True,
        }[each.operator]()
    )


def ordered_by(items: Iterable[Any], by: Callable[[Any], Any], descending: bool = False) -> list[Any]:
    """Nulls last in either order; equal ones stay as they are."""
    known = list(items)
    filled = sorted((each for each in known if by(each) is not None), key=by, reverse=descending)
    return filled + [each for each in known if by(each) is None]


def naive(query: ChartQuery, rows: list[Row]) -> dict[str, Any]:
    """The answer without what it is of: rows scanned and version."""
    kept = [row for row in rows if all(holds(each, row[NAMES.index(each.column)]) for each in query.filters)]
    cells = [row[NAMES.index(query.dimension.column)] for row in kept]
    by_key: dict[Key, list[Row]] = {}
    for cell, row in zip(cells, kept, strict=True):
        by_key.setdefault(key(query.dimension, cell), []).append(row)
    for each in between(query.dimension, cells) if query.dimension.fill else ():
        by_key.setdefault(each, [])
    names = [each.name for each in query.measures]
    keys = ordered_by(by_key, lambda each: each[0])
    for sort in reversed(query.sort):
        if sort.by == "label":
            keys = ordered_by(keys, lambda each: each[0], sort.descending)
        else:
            measure = query.measures[names.index(sort.by)]
            keys = ordered_by(keys, lambda each, m=measure: comparable(measured(m, by_key[each])), sort.descending)
    shown, rest = keys[: query.limit], keys[query.limit :]
    columns = [(each[1], by_key[each]) for each in shown]
    if rest and query.other:
        columns.append(("Other", [row for each in rest for row in by_key[each]]))
    groups: list[tuple[Any, bool, set[Key] | None]] = [(None, False, None)]
    hidden: list[Key] = []
    if query.series is not None:
        at, second = NAMES.index(query.series.column), query.series
        by_group: dict[Key, list[Row]] = {}
        for row in kept:
            by_group.setdefault(key(second, row[at]), []).append(row)
        ranked = ordered_by(by_group, lambda each: each[0])
        ranked = ordered_by(ranked, lambda each: comparable(measured(query.measures[0], by_group[each])), True)
        seen, hidden = ranked[: query.series_limit], ranked[query.series_limit :]
        groups = [(each[1], False, {each}) for each in ordered_by(seen, lambda each: each[0])]
        if hidden and query.series_other:
            groups.append((None, True, set(hidden)))
    series = []
    for group, other, members in groups:
        for measure in query.measures:
            data = []
            for _, of_label in columns:
                wanted = [row for row in of_label if members is None or key(second, row[at]) in members]
                data.append(spelled(measured(measure, wanted)))
            name = measure.name
            if members is not None:
                text = "(no value)" if group is None else group if isinstance(group, str) else json.dumps(group)
                name = "Other" if other else text
                name = name if len(names) == 1 else f"{name} / {measure.name}"
            series.append({"name": name, "data": data, "measure": measure.name, "group": group, "other": other})
    return {
        "labels": [label for label, _ in columns],
        "series": series,
        "totalGroups": len(keys),
        "totalSeries": None if query.series is None else len(by_group),
        "truncated": bool((rest and not query.other) or (hidden and not query.series_other)),
        "otherLabel": len(shown) if rest and query.other else None,
    }


# ---------------------------------------------------------------- the comparison


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Any]:
    """Writes rows as Parquet parts of at most five rows; a new folder each time."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    numbers = iter(range(100_000))
    described = ", ".join(f"{identifier(name)} {sql}" for name, sql in zip(NAMES, SQL, strict=True))

    def write(rows: list[Row]) -> list[tuple[Path, int]]:
        files = []
        for first in range(0, max(len(rows), 1), 5):
            some = rows[first : first + 5]
            connection.execute(f"CREATE OR REPLACE TABLE t ({described})")
            if some:
                connection.executemany(
                    f"INSERT INTO t VALUES ({', '.join('?' * len(SQL))})", [list(row) for row in some]
                )
            files.append((tmp_path / f"part-{next(numbers)}.parquet", len(some)))
            connection.execute(f"COPY t TO '{files[-1][0]}' (FORMAT parquet)")
        return files

    yield write
    connection.close()


def ask(given: dict[str, Any], types: dict[str, str] = TYPES) -> ChartQuery:
    query = chart_queries.parse(given)
    chart_queries.check(query, types)
    return query


def answer(files: list[tuple[Path, int]], query: ChartQuery, columns: list[Column] = COLUMNS, **more: Any) -> Chart:
    return chart_data.answer(query, columns, files, **{"timeout_seconds": 60, **more})


def same(found: Any, wanted: Any) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-300)
    return bool(found == wanted) and type(found) is type(wanted)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_chart_is_what_plain_python_makes_of_the_rows(parts: Any, data: st.DataObject) -> None:
    zone, rows = data.draw(tables())
    query = ask(data.draw(questions(zone)))
    wanted = naive(query, rows)
    found = answer(parts(rows), query).to_json(7)
    assert (found.pop("rowsScanned"), found.pop("version")) == (len(rows), 7)
    numbers = [
        (one.pop("data"), other.pop("data")) for one, other in zip(found["series"], wanted["series"], strict=True)
    ]
    assert found == wanted
    for mine, theirs in numbers:
        assert len(mine) == len(theirs)
        assert all(same(*pair) for pair in zip(mine, theirs, strict=True)), (mine, theirs)


# ---------------------------------------------------------------- what the comparison might not meet


def row(**cells: Any) -> Row:
    return tuple(cells.get(name) for name in NAMES)


def moments(*texts: str) -> list[Row]:
    return [row(**{MOMENT: datetime.fromisoformat(text).replace(tzinfo=UTC)}) for text in texts]


def by_time(bucket: str, zone: str | None, **more: Any) -> dict[str, Any]:
    dimension = {"column": MOMENT, "bucket": bucket, "timeZone": zone, "fill": True}
    return {"dimension": dimension, "measures": [{"aggregation": "count"}], **more}


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [("2025-03-29T23:00", "2025-03-30T21:59", 23), ("2025-10-25T22:00", "2025-10-26T22:59", 25)],
)
def test_a_day_on_which_clocks_change_has_23_or_25_hours(parts: Any, first: str, last: str, hours: int) -> None:
    files = parts(moments(first, last))
    by_hour = answer(files, ask(by_time("hour", "Europe/Berlin")))
    assert len(by_hour.labels) == len(set(by_hour.labels)) == by_hour.total_groups == hours
    by_day = answer(files, ask(by_time("day", "Europe/Berlin")))
    assert (by_day.labels, by_day.series[0].data) == ([str(by_hour.labels[0])[:10]], [2])


def test_the_hour_that_comes_twice_is_told_apart_by_its_offset(parts: Any) -> None:
    found = answer(parts(moments("2025-10-26T00:30", "2025-10-26T01:30")), ask(by_time("hour", "Europe/Berlin")))
    assert found.labels == ["2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00"]
    assert found.series[0].data == [1, 1]


def test_an_hour_in_which_clocks_are_put_back_is_two_gaps(parts: Any) -> None:
    # In Newfoundland it was a minute past midnight when it became a minute past eleven.
    found = answer(parts(moments("1990-10-28T01:00", "1990-10-28T04:00")), ask(by_time("hour", "America/St_Johns")))
    assert found.labels == [
        "1990-10-27T22:00:00-02:30",
        "1990-10-27T23:00:00-02:30",
        "1990-10-27T23:00:00-03:30",
        "1990-10-28T00:00:00-02:30",
        "1990-10-28T00:00:00-03:30",
    ]
    assert found.series[0].data == [1, 0, 0, 0, 1]


def test_a_day_that_a_zone_left_out_is_no_gap(parts: Any) -> None:
    found = answer(parts(moments("2011-12-29T12:00", "2011-12-31T12:00")), ask(by_time("day", "Pacific/Apia")))
    assert found.labels == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_gaps_are_counted_as_nothing_and_have_no_average(parts: Any) -> None:
    files = parts([row(**{DAY: date(2025, 1, 1), DECIMAL: Decimal("1.50")}), row(**{DAY: date(2025, 1, 3)})])
    wish = [{"aggregation": each, "column": DECIMAL} for each in ("count", "distinct", "sum", "avg", "max")]
    found = answer(files, ask({"dimension": {"column": DAY, "bucket": "day", "fill": True}, "measures": wish}))
    assert found.labels == ["2025-01-01", "2025-01-02", "2025-01-03"]
    assert [one.data for one in found.series] == [
        [1, 0, 0],
        [1, 0, 0],
        ["1.50", "0.00", None],  # on the last day there is a row, and it has no price
        [1.5, None, None],
        ["1.50", None, None],
    ]


@pytest.mark.parametrize(
    ("bucket", "zone"), [("minute", None), ("minute", "Europe/Berlin"), ("hour", None), ("day", "UTC")]
)
def test_more_buckets_than_an_answer_has_are_refused_before_they_are_made(
    parts: Any, bucket: str, zone: str | None
) -> None:
    query = ask(by_time(bucket, zone, limit=3))
    with pytest.raises(InvalidError) as refused:
        answer(parts(moments("1990-01-01", "2025-01-01")), query, field="")
    count = {"minute": 18_408_961, "hour": 306_817, "day": 12_785}[bucket]
    assert (refused.value.field, refused.value.value, refused.value.constraint) == (
        "dimension.fill",
        True,
        "at most 10000 buckets",
    )
    assert refused.value.reason == (
        f"Without gaps there would be {count} buckets; at most 10000 are made: take a wider bucket, or filter."
    )


def test_the_rest_is_computed_from_its_rows(parts: Any) -> None:
    rows = [row(**{TEXT: text, INTEGER: number}) for text, number in [("a", 9), ("b", 1), ("b", 2), ("b", 3), ("c", 9)]]
    wish = [{"aggregation": "avg", "column": INTEGER}, {"aggregation": "median", "column": INTEGER}]
    sort = {"by": "label", "order": "asc"}
    found = answer(parts(rows), ask({"dimension": TEXT, "measures": wish, "limit": 1, "other": True, "sort": sort}))
    assert (found.labels, found.other_label, found.truncated) == (["a", "Other"], 1, False)
    # The mean of 2 and 9 would be 5.5, and so would be the median of the medians.
    assert [one.data for one in found.series] == [[9.0, 3.75], ["9.0", "2.5"]]


def test_without_the_rest_the_answer_says_that_it_is_truncated(parts: Any) -> None:
    rows = [row(**{TEXT: text}) for text in "abc"]
    found = answer(parts(rows), ask({"dimension": TEXT, "measures": [{"aggregation": "count"}], "limit": 2}))
    assert found.to_json(4) == {
        "labels": ["a", "b"],
        "series": [{"name": "count", "data": [1, 1], "measure": "count", "group": None, "other": False}],
        "rowsScanned": 3,
        "totalGroups": 3,
        "totalSeries": None,
        "truncated": True,
        "otherLabel": None,
        "version": 4,
    }


def test_null_an_empty_text_and_the_rest_are_three_things(parts: Any) -> None:
    rows = [row(**{TEXT: text}) for text in (None, "", "Other", "z")]
    given = {"dimension": TEXT, "measures": [{"aggregation": "count"}], "sort": [{"by": "label"}]}
    found = answer(parts(rows), ask(given))
    assert (found.labels, found.other_label) == (["", "Other", "z", None], None)
    found = answer(parts(rows), ask({**given, "limit": 2, "other": True}))
    assert (found.labels, found.series[0].data, found.other_label) == (["", "Other", "Other"], [1, 1, 2], 2)


def test_equal_measures_are_in_the_order_of_their_labels(parts: Any) -> None:
    rows = [row(**{TEXT: text}) for text in ("b", None, "a", "c", "c")]
    given = {"dimension": TEXT, "measures": [{"aggregation": "count"}]}
    for order, labels in (("desc", ["c", "a", "b", None]), ("asc", ["a", "b", None, "c"])):
        assert answer(parts(rows), ask({**given, "sort": [{"by": "count", "order": order}]})).labels == labels


def test_sums_beyond_64_bits_and_decimals_beyond_53_are_exact(parts: Any) -> None:
    rows = [row(**{INTEGER: 2**63 - 1, DECIMAL: Decimal("999999999999999999.99"), TEXT: "a"})] * 3
    wish = [{"aggregation": "sum", "column": INTEGER}, {"aggregation": "sum", "column": DECIMAL}]
    found = answer(parts(rows), ask({"dimension": TEXT, "measures": wish}))
    assert [one.data for one in found.series] == [[3 * (2**63 - 1)], ["2999999999999999999.97"]]


def test_a_sum_that_does_not_fit_is_refused_and_never_wraps(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    duckdb.execute(f"COPY (SELECT repeat('9', 38)::DECIMAL(38,0) AS n FROM range(2)) TO '{path}'")
    query = ask({"dimension": "n", "measures": [{"aggregation": "sum", "column": "n"}]}, {"n": "decimal(38,0)"})
    with pytest.raises(InvalidError) as refused:
        answer([(path, 2)], query, [Column("n", "decimal(38,0)", "")], field="sections.0.chart")
    assert refused.value.field == "sections.0.chart.measures"
    assert refused.value.reason == "A number of the answer would need more than 38 digits to be exact."


def test_sums_of_floats_are_added_by_one_thread_and_so_always_the_same() -> None:
    for aggregation, column, threads in (("sum", FLOAT, 1), ("avg", FLOAT, 1), ("max", FLOAT, 2), ("sum", DECIMAL, 2)):
        query = ask({"dimension": TEXT, "measures": [{"aggregation": aggregation, "column": column}]})
        assert chart_data.compiled_query(query, COLUMNS).threads == threads


@pytest.mark.parametrize("value", ["' OR 1=1 --", "'; DROP TABLE groups; --", "$v0", "$files", "%", "\\'"])
def test_names_and_values_are_never_words_of_the_sql(parts: Any, value: str) -> None:
    def asking(text: str) -> ChartQuery:
        one = {"column": TEXT, "operator": "eq", "value": text}
        return ask(
            {"dimension": TEXT, "filters": [one], "measures": [{"aggregation": "max", "column": TEXT, "as": text}]}
        )

    query = asking(value)
    compiled = chart_data.compiled_query(query, COLUMNS)
    assert (compiled.rows, compiled.values) == (chart_data.compiled_query(asking("x"), COLUMNS).rows, {"v0": value})
    quoted = '"n""; DROP TABLE groups; --"'
    assert compiled.rows == (
        f"SELECT {quoted} AS k, {quoted} AS c0 FROM read_parquet($files) WHERE {quoted} = CAST($v0 AS VARCHAR)"
    )
    found = answer(parts([row(**{TEXT: value}), row(**{TEXT: "x"})]), query)
    assert (found.labels, found.series[0].name, found.series[0].data) == ([value], value, [value])


def test_parts_in_which_nothing_can_be_are_not_scanned(parts: Any) -> None:
    rows = [row(**{INTEGER: number}) for number in range(10)]
    files = parts(rows)
    known = [
        Part(path.name, size, 1, first, {INTEGER: [str(first), str(first + 4)]})
        for (path, size), first in zip(files, (0, 5), strict=True)
    ]
    wish = {"column": INTEGER, "operator": "ge", "value": 7}
    query = ask({"dimension": INTEGER, "measures": [{"aggregation": "count"}], "filters": [wish]})
    wanted = {part.file for part in pruned(known, COLUMNS, query.filters)}
    found = answer([each for each in files if each[0].name in wanted], query)
    assert (found.labels, found.rows_scanned) == ([7, 8, 9], 5)


def test_no_parts_and_no_rows_make_a_chart_without_labels(parts: Any) -> None:
    given = {"dimension": TEXT, "measures": [{"aggregation": "count"}], "other": True, "limit": 1}
    for files in ([], parts([])):
        found = answer(files, ask(given))
        assert found == Chart([], [chart_data.Series("count", "count", [])], 0, 0, None, truncated=False)
        assert answer(files, ask({**given, "series": DAY})) == Chart([], [], 0, 0, 0, truncated=False)
    filled = answer(parts([row(**{TEXT: "a"})]), ask(by_time("day", "UTC")))
    assert (filled.labels, filled.series[0].data) == ([None], [1])


def test_an_answer_with_too_many_values_is_refused(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_data, "MAX_CELLS", 5)
    rows = [row(**{TEXT: text, INTEGER: number}) for number, text in enumerate("abc")]
    query = ask({"dimension": TEXT, "series": INTEGER, "measures": [{"aggregation": "count"}]})
    with pytest.raises(InvalidError) as refused:
        answer(parts(rows), query)
    assert (refused.value.field, refused.value.constraint) == ("chart.limit", "at most 5 values")
    assert refused.value.reason == (
        "The answer would have 9 values; it has at most 5: lower the limits or ask for less."
    )


@pytest.mark.parametrize(
    ("zone", "like"),
    [("Europe/Berln", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("CET", "Europe/Berlin"), ("EST", "UTC")],
)
def test_a_zone_that_there_is_not_is_refused_with_names_that_there_are(parts: Any, zone: str, like: str) -> None:
    for place in ("dimension", "series"):
        given = {"dimension": TEXT, "measures": [{"aggregation": "count"}]}
        given[place] = {"column": MOMENT, "bucket": "day", "timeZone": zone}
        with pytest.raises(InvalidError) as refused:
            answer([], ask(given), field="")
        assert (refused.value.field, refused.value.value) == (f"{place}.timeZone", zone)
        assert refused.value.reason.startswith(f"There is no time zone '{zone}'; there are names such as ")
        assert like in refused.value.reason


def test_a_chart_is_stopped_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "INTERRUPTED_EVERY_SECONDS", 0.001)
    path = tmp_path / "part.parquet"
    duckdb.execute(f"COPY (SELECT range AS a, hash(range)::VARCHAR AS b FROM range(3000000)) TO '{path}'")
    types = {"a": "integer", "b": "text"}
    columns = [Column(name, type_, "") for name, type_ in types.items()]
    query = ask({"dimension": "b", "measures": [{"aggregation": "median", "column": "a"}]}, types)
    with pytest.raises(TooSlowError):
        answer([(path, 3_000_000)], query, columns, timeout_seconds=0)


def test_a_chart_that_needs_too_much_memory_says_so(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise duckdb.OutOfMemoryException("full")

    monkeypatch.setattr(chart_data, "_group", full)
    with pytest.raises(TooMuchMemoryError):
        answer(parts([]), ask({"dimension": TEXT, "measures": [{"aggregation": "count"}]}))


def test_a_chart_leaves_no_table_behind(parts: Any) -> None:
    query = ask({"dimension": TEXT, "series": DAY, "measures": [{"aggregation": "count"}]})
    files = parts([row(**{TEXT: "a"})])
    assert answer(files, query) == answer(files, query)
    tables = chart_data.cursor().execute("SELECT count(*) FROM duckdb_tables()").fetchone()
    assert tables == (0,)
