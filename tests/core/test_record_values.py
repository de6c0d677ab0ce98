"""Values of records: what is read, shown and stored."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from fluvial import record_values
from fluvial.errors import InvalidError
from fluvial.record_classes import FLAG, TYPES, Field, ModelClass, common_fields

STRING = Field("name", "string", "")
TEXT = Field("summary", "text", "")
INTEGER = Field("months", "integer", "")
DECIMAL = Field("amount", "decimal", "")
BOOLEAN = Field("granted", "boolean", "")
DATE = Field("day", "date", "")
DATETIME = Field("due_at", "datetime", "")
RELATION = Field("program_id", "relation", "", related="program")
MULTI = Field("places", "multi", "", custom=True, attribute=7)
SUPPORT = Field("support", "multi", "", options=("Core", "Project", "Other"))
STATUS = Field("status", "string", "", options=("open", "closed"))
RETIRED = Field("retired", "integer", "", options=FLAG)
REPORTS = Field("reports", "many", "", related="report", by="program_id")
OWN = (STRING, TEXT, INTEGER, DECIMAL, BOOLEAN, DATE, DATETIME, RELATION, MULTI, SUPPORT, STATUS, RETIRED, REPORTS)
THING = ModelClass("thing", "Things.", (*common_fields(), *OWN))

WIDE = Context(prec=60)
CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
FIRST_DAY = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
LAST_DAY = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(CHARACTERS, min_size=1, max_size=1_000),
    "summary": st.text(CHARACTERS, min_size=1),
    "months": st.integers(-(2**63), 2**63 - 1),
    "amount": st.integers(-(10**38) + 1, 10**38 - 1).flatmap(
        lambda digits: st.integers(0, 38).map(lambda places: Decimal(digits).scaleb(-places, WIDE))
    ),
    "granted": st.booleans(),
    "day": st.dates(),
    "due_at": st.integers(FIRST_DAY, LAST_DAY).map(lambda seconds: seconds * 1000),
    "program_id": st.integers(1, 2**63 - 1),
    "places": st.lists(st.text(CHARACTERS, min_size=1, max_size=20), min_size=1, max_size=5, unique=True).map(tuple),
    "support": st.lists(st.sampled_from(SUPPORT.options), min_size=1, unique=True).map(tuple),
    "status": st.sampled_from(STATUS.options),
    "retired": st.integers(0, 1),
}


def field(name: str) -> Field:
    found = THING.field(name)
    assert found is not None
    return found


def refusal(of: Field, given: object) -> InvalidError:
    with pytest.raises(InvalidError) as refused:
        record_values.read(of, given)
    assert refused.value.field == of.name
    return refused.value


def test_every_type_has_a_strategy() -> None:
    assert {each.type for each in OWN} == set(TYPES)
    assert set(VALUES) == {each.name for each in OWN if each.kept}


@forall(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_shown_reads_back_the_same_also_by_way_of_json(values: dict[str, Any]) -> None:
    for name, value in values.items():
        shown = record_values.to_json(field(name), value)
        assert record_values.read(field(name), shown) == value
        sent = json.dumps(shown, default=str)
        again = json.loads(sent, parse_float=Decimal)
        assert record_values.read(field(name), again) == value


@forall(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_stored_comes_back_the_same(values: dict[str, Any]) -> None:
    back = record_values.unpack(THING, record_values.pack(THING, values))
    assert back == values
    assert [type(value) for value in back.values()] == [type(values[name]) for name in back]


@forall(
    st.sampled_from(OWN[:-1]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_anything_is_read_or_refused_with_reasons_and_what_is_read_is_stable(of: Field, given: Any) -> None:
    refused, value = None, None
    try:
        value = record_values.read(of, given)
    except InvalidError as error:
        refused = error
    if refused is not None:
        assert refused.field == of.name
        assert refused.constraint
        assert len(refused.reason) < 1_000
    elif value is not None:
        assert record_values.read(of, record_values.to_json(of, value)) == value


@pytest.mark.parametrize("of", OWN[:-1], ids=lambda each: each.name)
def test_null_and_the_empty_text_clear_every_field(of: Field) -> None:
    assert record_values.read(of, None) is None
    assert record_values.read(of, "") is None


@pytest.mark.parametrize(
    ("of", "given", "value"),
    [
        (STRING, 12, "12"),
        (STRING, Decimal("1.50"), "1.50"),
        (STRING, Decimal("1E+3"), "1000"),
        (STRING, True, "true"),
        (STRING, " kept ", " kept "),
        (INTEGER, "12", 12),
        (INTEGER, " -12 ", -12),
        (INTEGER, "12.0", 12),
        (INTEGER, Decimal("12.00"), 12),
        (INTEGER, Decimal("1.2E+2"), 120),
        (DECIMAL, "25000", Decimal(25000)),
        (DECIMAL, "0.10", Decimal("0.1")),
        (DECIMAL, ".5", Decimal("0.5")),
        (DECIMAL, 10**37, Decimal(10**37)),
        (DECIMAL, "1e3", Decimal(1000)),
        (DECIMAL, "-0", Decimal(0)),
        (DECIMAL, "12345678901234567890123456789012345.678", Decimal("12345678901234567890123456789012345.678")),
        (BOOLEAN, "TRUE", True),
        (BOOLEAN, "False", False),
        (BOOLEAN, 1, True),
        (BOOLEAN, "0", False),
        (DATE, "2018-12-31", date(2018, 12, 31)),
        (DATE, "12/31/2018", date(2018, 12, 31)),
        (DATE, "1/2/2018", date(2018, 1, 2)),
        (DATE, "2018-12-31T23:30:00-05:00", date(2018, 12, 31)),
        (DATETIME, "1970-01-01", 0),
        (DATETIME, "1/2/1970", 86_400_000),
        (DATETIME, "1970-01-01T00:00:01Z", 1000),
        (DATETIME, "1970-01-01T00:00:01", 1000),
        (DATETIME, "1970-01-01 00:01", 60_000),
        (DATETIME, "1970-01-01 00:00:01 UTC", 1000),
        (DATETIME, "1970-01-01T00:00:01.987Z", 1000),
        (DATETIME, "1970-01-01T02:00:00+02:00", 0),
        (DATETIME, "1969-12-31T19:00:00 -0500", 0),
        (RELATION, "12", 12),
        (RELATION, {"id": 12}, 12),
        (RELATION, {"id": "12", "name": "A"}, 12),
        (RELATION, [12], 12),
        (RELATION, [{"id": 12}], 12),
        (RELATION, {"id": ""}, None),
        (RELATION, {"id": None}, None),
        (RELATION, [], None),
        (SUPPORT, "Core", ("Core",)),
        (SUPPORT, ["Core", None, "Project", "Core"], ("Core", "Project")),
        (SUPPORT, [], None),
        (RETIRED, True, 1),
        (RETIRED, "False", 0),
        (RETIRED, "1", 1),
    ],
)  # fmt: skip
def test_other_spellings_of_a_value_are_read(of: Field, given: object, value: object) -> None:
    assert record_values.read(of, given) == value


@pytest.mark.parametrize(
    ("of", "given", "reason"),
    [
        (STRING, ["a"], "must be text, not a list"),
        (STRING, "x" * 1_001, "must have at most 1000 characters, not 1001"),
        (TEXT, "x" * 100_001, "must have at most 100000 characters, not 100001"),
        (STRING, "\ud800", "must not have a NUL, or half of a surrogate pair, which is no character"),
        (INTEGER, "1.5", 'must be a whole number, not "1.5"'),
        (INTEGER, True, "must be a whole number, not true"),
        (INTEGER, 2**63, "must be a whole number, not 9223372036854775808"),
        (INTEGER, {}, "must be a whole number, not an object"),
        (DECIMAL, "abc", 'must be a number, not "abc"'),
        (DECIMAL, "NaN", 'must be a number, not "NaN"'),
        (DECIMAL, "1,000", 'must be a number, not "1,000"'),
        (DECIMAL, False, "must be a number, not false"),
        (DECIMAL, "1e38", 'must be a number of at most 38 digits, not "1e38"'),
        (DECIMAL, "1" * 39, f'must be a number of at most 38 digits, not "{"1" * 39}"'),
        (BOOLEAN, "yes", 'must be true or false, not "yes"'),
        (BOOLEAN, 2, "must be true or false, not 2"),
        (DATE, "31/12/2018", 'must be a day of the calendar, not "31/12/2018"'),
        (DATE, "2018-02-30", 'must be a day of the calendar, not "2018-02-30"'),
        (DATE, 20181231, "must be a date, not 20181231"),
        (DATETIME, "2018-12-31T25:00:00Z", 'must be a date and time that there is, not "2018-12-31T25:00:00Z"'),
        (DATETIME, "0001-01-01T00:00+01:00", 'must be a date and time that there is, not "0001-01-01T00:00+01:00"'),
        (DATETIME, 1546243200, "must be a date and time, not 1546243200"),
        (RELATION, "Acme", 'must be the id of a record, not "Acme"'),
        (RELATION, 0, "must be the id of a record, not 0"),
        (RELATION, {"name": "Acme"}, "must be the id of a record, not an object"),
        (RELATION, [1, 2], "must be one record, not a list"),
        (STATUS, "ajar", 'must be one of open, closed, not "ajar"'),
        (SUPPORT, ["Core", "Else"], 'must be one of Core, Project, Other, not "Else"'),
        (RETIRED, 2, 'must be one of 0, 1, not "2"'),
        (REPORTS, [1], "shows the report records that point here: set 'program_id' of those instead"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_must_be_and_what_was_given(of: Field, given: object, reason: str) -> None:
    refused = refusal(of, given)
    assert refused.reason == reason
    assert refused.constraint


def test_a_refusal_names_at_most_twenty_options() -> None:
    of = Field("places", "multi", "", options=tuple(f"place {number}" for number in range(500)))
    assert "place 19 and 480 more, not" in refusal(of, ["nowhere"]).reason


def test_an_option_that_is_no_more_may_stay_where_the_record_has_it() -> None:
    assert record_values.read(SUPPORT, ["Core", "Loan"], ("Loan",)) == ("Core", "Loan")
    assert record_values.read(STATUS, "ajar", "ajar") == "ajar"
    with pytest.raises(InvalidError):
        record_values.read(SUPPORT, ["Core", "Gift"], ("Loan",))


def test_times_are_shown_to_the_second_in_utc() -> None:
    assert record_values.to_json(DATETIME, 1_546_243_200_999) == "2018-12-31T08:00:00Z"
    assert record_values.to_json(DATETIME, -1) == "1969-12-31T23:59:59Z"
    assert record_values.to_json(DATE, date(987, 1, 2)) == "0987-01-02"
    assert record_values.to_json(INTEGER, 5) == 5
    assert record_values.to_json(SUPPORT, ("Core",)) == ["Core"]


def test_a_custom_field_is_stored_under_its_definition() -> None:
    values = {"name": "a", "amount": Decimal("1.10"), "day": date(2018, 12, 31), "places": ("x",)}
    text = record_values.pack(THING, values)
    assert json.loads(text) == {"name": "a", "amount": "1.10", "day": "2018-12-31", "#7": ["x"]}
    anew = ModelClass("thing", "Things.", (STRING, Field("places", "decimal", "", custom=True, attribute=8)))
    assert record_values.unpack(anew, text) == {"name": "a"}
