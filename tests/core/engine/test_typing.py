# ruff: noqa: RUF005, SIM905 (lists of cells read best as words)
"""The typing rules: in plain Python, in SQL, and the two against each other."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine.types import SHORT_FLOAT, Candidate, candidates, decide, sql_text

FIRSTS = (
    "1 0 12345678901234567890 1.50 1.5 true Yes 2025-01-02 2025/01/02 03/04/2025 3/4/2025 12/11/2025 13.04.2025 "
    "04-Mar-2025 2025-01-02T03:04:05 2025-01-02T03:04:05.120Z 2025-01-02T03:04:05+02:00 10:20 10:20:30 10:20:30.5 "
    "1e+20 0.1 1e-05 2025-01-02T03:04Z"
).split() + ["2025-01-02 03:04", "31/12/2025 10:00:01.123456-0330", "03-04-2025 10:00", "04 Mar 2025"]
TRAPS = (
    "007 +5 1e5 -0 -0.0 -0.00 .5 5. 1,000 nan NaN inf Infinity infinity epoch NULL 9223372036854775807 "
    "9223372036854775808 -9223372036854775808 0.00 1.555 True TRUE false no 0000-01-01 0001-01-01 9999-12-31 "
    "2025-02-29 2024-02-29 2025-1-02 29/02/2025 31/04/2025 10/10/2025 1/1/2025 01/1/2025 24:00:00 23:59:60 23:59:59 "
    "2025-01-02T24:00:00 2025-01-02T03:04:60 0000-01-01T00:00:00 0001-01-01T00:00:00+02:00 0x1F 1_000 "
    "9999-12-31T23:59:59+02:00 2025-01-02T03:04:05.000Z 01-mar-2025 31-Feb-2025 1.7976931348623157e+308 5e-324 1e+309 "
    "1e+16 10000000000000000.0 123456789012345678.5 1234567890123456.75 0.10 99999-01-01 00/00/2025 0/0/2025 "
    "01/01/0000 1/1/0000 abc 25:00 10:60 2.0 2 100 1e+2 1:20:30 -1:20:30 2025-01-02T03:04:05z ٣"
).split() + [
    " 5",
    "5 ",
    "1\n",
    "2025-01-01\n",
    "infinity  ",
    "2025 01 02",
    "9" * 38,
    "9" * 39,
    "31/12/0000 10:00:01.123456-0330",
]


@pytest.fixture(scope="module")
def connection():
    made = duckdb.connect()
    made.execute("SET TimeZone = 'UTC'")
    yield made
    made.close()


def in_sql(connection, candidate: Candidate, cells: list[str]) -> list[bool]:
    sql = f"SELECT coalesce({candidate.sql_holds('x')}, false) FROM (SELECT unnest($1::VARCHAR[]) AS x)"
    return [row[0] for row in connection.execute(sql, [cells]).fetchall()]


@pytest.mark.parametrize("first", FIRSTS)
def test_a_candidate_holds_in_sql_exactly_where_it_holds_in_python(connection, first):
    found = candidates(first)
    assert found
    cells = [*FIRSTS, *TRAPS]
    for candidate in found:
        assert in_sql(connection, candidate, cells) == [candidate.holds(cell) for cell in cells], candidate


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(FIRSTS),
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False).map(repr),
            st.integers().map(str),
            st.dates().map(str),
            st.datetimes().map(str),
            st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
            st.from_regex(r"\A[-+]?[0-9]{0,20}(\.[0-9]{0,6})?(e[-+]?[0-9]{1,3})?\Z").filter(bool),
            st.from_regex(r"\A[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?Z?\Z"),
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_sql_and_python_agree_on_any_cell(connection, first, cells):
    for candidate in candidates(first):
        assert in_sql(connection, candidate, cells) == [candidate.holds(cell) for cell in cells], candidate


# Doubles of any size by their bits, and texts that nearly are one.
NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.floats(1e-5, 1e17), st.integers().map(float))
NEARLY = st.builds(
    lambda sign, text, before, after: before + sign + text + after,
    st.sampled_from(["", "-", "+", "\u2212"]),
    st.one_of(
        NUMBERS.map(repr),
        NUMBERS.map(lambda number: repr(number).removesuffix(".0")),
        NUMBERS.map(lambda number: f"{number:.20f}"),
        NUMBERS.map(lambda number: f"{number:.16g}"),
        st.integers(0, 10**40).map(str),
        st.from_regex(r"\A[0-9]{0,19}(\.[0-9]{0,19})?(e[-+]?[0-9]{1,3})?\Z"),
        st.text(alphabet="0123456789.eE+-_xX \t\0\u0663\uff15\u00a0,", max_size=12),
        st.sampled_from(["inf", "nan", "infinity", "0", "0.0", "1e15", "0.0001"]),
    ),
    st.sampled_from(["", "", "", " ", "0"]),
    st.sampled_from(["", "", "", " ", "0", ".0", "\n", "\0"]),
)


@pytest.mark.parametrize("format_", [None, SHORT_FLOAT])
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(NEARLY, min_size=1, max_size=50))
def test_a_float_that_json_spells_quickly_is_one_that_a_cast_spells_so(connection, format_, cells):
    candidate, value = Candidate("float", format_), "TRY_CAST(x AS DOUBLE)"
    minus_zero = "true" if format_ is None else "x <> '-0'"
    plainly = f"isfinite({value}) AND {minus_zero} AND {sql_text(value, 'float', format_)} = x"
    sql = f"SELECT coalesce({plainly}, false) FROM (SELECT unnest($1::VARCHAR[]) AS x)"
    expected = [row[0] for row in connection.execute(sql, [cells]).fetchall()]
    assert in_sql(connection, candidate, cells) == expected == [candidate.holds(cell) for cell in cells]


@pytest.mark.parametrize("first", FIRSTS)
def test_a_value_that_was_converted_before_is_judged_alike(connection, first):
    cells = [*FIRSTS, *TRAPS]
    for candidate in candidates(first):
        sql = (
            f"SELECT coalesce({candidate.sql_holds('x', 'v')}, false) "
            f"FROM (SELECT x, {candidate.sql_value('x')} AS v FROM (SELECT unnest($1::VARCHAR[]) AS x))"
        )
        assert [row[0] for row in connection.execute(sql, [cells]).fetchall()] == in_sql(connection, candidate, cells)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.sampled_from(FIRSTS + TRAPS), st.none(), st.just("")), max_size=12), st.integers(0, 12))
def test_a_settled_decision_on_a_prefix_only_ever_gives_way_to_a_cell_it_does_not_hold_for(cells, cut):
    before, after = decide(cells[:cut]), decide(cells)
    if before.settled and before.type == "text":
        assert (after.type, after.reason) == (before.type, before.reason)
    elif before.settled and all(not cell or before.candidate.holds(cell) for cell in cells) and "" not in cells:
        assert (after.type, after.format, after.reason) == (before.type, before.format, before.reason)


@pytest.mark.parametrize(
    ("cells", "type_", "format_"),
    [
        (["1", "-5", "0"], "integer", None),
        (["9223372036854775807"], "integer", None),
        (["9223372036854775808", "1"], "decimal(38,0)", None),
        (["1", "9223372036854775808"], "decimal(38,0)", None),
        (["1" * 39], "text", None),
        (["1.50", "2.25"], "decimal(18,2)", None),
        (["1.5", "2.25"], "float", None),
        (["1.50", "1.5"], "text", None),
        (["1.5", "2"], "float", "whole numbers without .0"),
        (["1.50", "2"], "text", None),
        (["12345678901234567.89"], "decimal(38,2)", None),
        (["007"], "text", None),
        (["1", "007"], "text", None),
        (["+5"], "text", None),
        (["1e5"], "text", None),
        (["1e-05"], "float", None),
        (["NaN"], "text", None),
        (["1", "inf"], "text", None),
        (["1,000"], "text", None),
        ([" 5"], "text", None),
        (["-0"], "text", None),
        (["0", "1"], "integer", None),
        (["true", "false"], "boolean", "true/false"),
        (["TRUE"], "boolean", "TRUE/FALSE"),
        (["True", "true"], "text", None),
        (["yes", "no"], "boolean", "yes/no"),
        (["NO", "NO"], "text", None),
        (["1", "NA"], "text", None),
        (["NULL"], "text", None),
        ([None, None], "text", None),
        ([], "text", None),
        (["1", None], "integer", None),
        (["1", "", None], "text", None),
        (["2025-01-02", "2024-02-29"], "date", "%Y-%m-%d"),
        (["2025-02-29"], "text", None),
        (["2025-01-02", "02.01.2025"], "text", None),
        (["03/04/2025"], "text", None),
        (["03/04/2025", "13/04/2025"], "date", "%d/%m/%Y"),
        (["03/04/2025", "04/13/2025"], "date", "%m/%d/%Y"),
        (["13/04/2025", "04/13/2025"], "text", None),
        (["3/14/2025", "12/25/2025"], "date", "%-m/%-d/%Y"),
        (["3.14.2025", "14.3.2025"], "text", None),
        (["04-Mar-2025"], "date", "%d-%b-%Y"),
        (["2025-01-02T03:04:05"], "timestamp", "%Y-%m-%dT%H:%M:%S"),
        (["2025-01-02 03:04:05.120"], "timestamp", "%Y-%m-%d %H:%M:%S.%3f"),
        (["2025-01-02 03:04:05.120", "2025-01-02 03:04:05.12"], "text", None),
        (["2025-01-02T03:04:05Z"], "timestamp_tz", "%Y-%m-%dT%H:%M:%SZ"),
        (["2025-01-02T03:04:05+02:00"], "timestamp_tz", "%Y-%m-%dT%H:%M:%S+02:00"),
        (["2025-01-02T03:04:05+02:00", "2025-01-02T03:04:05+01:00"], "text", None),
        (["2025-01-02T03:04:05.1234567"], "text", None),
        (["10:20:30", "23:59:59"], "time", "%H:%M:%S"),
        (["24:00:00"], "text", None),
    ],
)  # fmt: skip
def test_a_type_is_given_only_where_every_cell_comes_back(cells, type_, format_):
    decision = decide(cells)
    assert (decision.type, decision.format) == (type_, format_), decision.reason


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["007"], "leading zeros"),
        (["+5"], "plus sign"),
        (["1", " 5"], "spaces around it"),
        (["1", "N/A"], "only an empty cell is null"),
        (["1,000"], "thousands separators"),
        (["1,5"], "decimal comma"),
        (["03/04/2025"], "day and month cannot be told apart"),
        (["-0"], "negative zero"),
        (["1", "inf"], "no finite number"),
        (["1e5"], "exponent"),
        (["NO"], "may be a word"),
        (["", None, "1"], "which only text keeps apart"),
    ],
)
def test_text_gives_its_reason(cells, words):
    assert words in decide(cells).reason


def test_the_counter_example_is_the_cell_that_the_closest_type_met_first():
    decision = decide(["1", "2", None, "x3", "y"])
    assert decision.counter_example == (4, "x3")
    assert "integer up to row 4" in decision.reason
