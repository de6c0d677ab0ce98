"""Filters as callers send them, each with what it says, evaluated in Python over the values of records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from fluvial import record_columns
from fluvial.record_classes import Field, ModelClass

PART = ModelClass(
    "part",
    "A part of something",
    (
        Field("id", "integer", "", writable=False),
        Field("name", "string", ""),
        Field("weight", "decimal", ""),
        Field("parent_id", "relation", "", related="part"),
        Field("parts", "many", "", related="part", by="parent_id"),
        Field("things", "many", "", related="thing", by="part_id"),
        Field("notes", "many", "", related="note", by="owner_id"),
    ),
)
THING = ModelClass(
    "thing",
    "One of each type",
    (
        Field("id", "integer", "", writable=False),
        Field("name", "string", ""),
        Field('te"xt', "text", ""),
        Field("count", "integer", ""),
        Field("amount", "decimal", ""),
        Field("done", "boolean", ""),
        Field("day", "date", ""),
        Field("moment", "datetime", ""),
        Field("part_id", "relation", "", related="part"),
        Field("colours", "multi", "", options=("Red", "Blue", "red")),
        Field("notes", "many", "", related="note", by="owner_id"),
    ),
)
NOTE = ModelClass(
    "note",
    "A note on anything",
    (
        Field("id", "integer", "", writable=False),
        Field("name", "string", ""),
        Field("owner_type", "string", ""),
        Field("owner_id", "relation", "", type_field="owner_type"),
    ),
)
MODELS = {model.name: model for model in (THING, PART, NOTE)} | {model.camel: model for model in (THING, PART, NOTE)}
TODAY = date(2024, 2, 29)

Row = dict[str, Any]
World = dict[str, list[Row]]
Holds = Callable[[Row, World], bool]


class Schema:
    def model(self, name: str) -> ModelClass:
        return MODELS[name]


@dataclass
class Asked:
    """A filter as a caller sends it, and what it says."""

    sent: Any
    holds: Holds

    def __repr__(self) -> str:
        return repr(self.sent)


# --- values ---------------------------------------------------------------------------------------------------------

WORDS = [
    "a",
    "A",
    "ab",
    "aB",
    "ba",
    "abc",
    "Straße",
    "STRASSE",
    "strasse",
    "é",
    "e\u0301",
    "É",
    "İ",
    "ſ",
    "S",
    "a%",
    "%",
]
WORDS += [
    "a_b",
    "\\",
    "'; DROP TABLE records; --",
    '"',
    "😀",
    "😀b",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\U0010ffff",
    "10",
    " a ",
]
TEXTS = st.sampled_from(WORDS) | st.builds("".join, st.lists(st.sampled_from(WORDS), min_size=1, max_size=3))
NUMBERS = st.sampled_from([0, 1, -1, 2, 10, 9, 2**53, 2**53 + 1, 2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1])
DECIMALS = st.sampled_from(
    [
        Decimal(text)
        for text in ("0", "-0", "1", "1.0", "-1", "1.5", "-1.5", "-1.2", "-1.23", "10", "9.99", "100", "0.001")
    ]
    + [Decimal(f"{sign}{'9' * 37}{last}") for sign in ("", "-") for last in "89"]
    + [Decimal(f"{sign}0.{'1' * 37}{last}") for sign in ("", "-") for last in "12"]
)
DAYS = st.sampled_from(
    [date.fromisoformat(f"{text}") for text in ("2024-02-28", "2024-02-29", "2024-03-01", "2023-12-31")]
)
DAYS |= st.sampled_from([date.fromisoformat(text) for text in ("2024-01-01", "0001-01-01", "9999-12-31", "1969-12-31")])
MOMENTS = st.builds(
    lambda day, ms: (day.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000 + ms,
    DAYS,
    st.sampled_from([0, 1, 999, 1000, 59_999, 60_000, 43_200_123, 43_200_124, 43_201_000, 86_399_999]),
)
IDS = st.integers(1, 4)
COLOURS = st.lists(st.sampled_from(["Red", "red", "Blue", "Straße", 'a"b']), unique=True, min_size=1).map(tuple)


def worlds(least: int, most: int) -> st.SearchStrategy[World]:
    """Records of all classes, each with from `least` to `most`."""

    def rows(columns: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[Row]]:
        row = st.fixed_dictionaries({name: st.none() | values for name, values in columns.items()})
        found = st.lists(row, min_size=least, max_size=most)
        return found.map(lambda each: [{"id": at + 1} | row for at, row in enumerate(each)])

    return st.fixed_dictionaries({name: rows(columns) for name, columns in COLUMNS.items()})


COLUMNS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "thing": {
        "name": TEXTS,
        'te"xt': TEXTS,
        "count": NUMBERS,
        "amount": DECIMALS,
        "done": st.booleans(),
        "day": DAYS,
        "moment": MOMENTS,
        "part_id": IDS,
        "colours": COLOURS,
    },
    "part": {"name": TEXTS, "weight": DECIMALS, "parent_id": IDS},
    "note": {"name": TEXTS, "owner_type": st.sampled_from(["Thing", "Part"]), "owner_id": IDS},
}
WORLDS = worlds(0, 4)


# --- filters --------------------------------------------------------------------------------------------------------

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}


def moment(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


@st.composite
def compared(draw: st.DrawFn, name: str, values: st.SearchStrategy[Any], spell: Callable[[Any], Any]) -> Asked:
    """Comparisons of one field by order and equality."""
    operator = draw(st.sampled_from(["eq", *ORDER, "range", "null", "eq-list"]))
    if operator == "null":
        return Asked([name, "null", draw(st.sampled_from(["-", "", None]))], lambda row, _: row[name] is None)
    if operator in ORDER:
        than = draw(values)
        return Asked(
            [name, operator, spell(than)], lambda row, _: row[name] is not None and ORDER[operator](row[name], than)
        )
    if operator == "range" and name not in ("name", 'te"xt', "done"):
        one, other = draw(values), draw(values)
        sent = draw(
            st.sampled_from(
                [f"{spell(one)} - {spell(other)}", f"{spell(one)}-{spell(other)}", [spell(one), spell(other)]]
            )
        )
        low, high = min(one, other), max(one, other)
        return Asked([name, "range", sent], lambda row, _: row[name] is not None and low <= row[name] <= high)
    listed = draw(st.lists(st.none() | values, max_size=3)) if operator == "eq-list" else [draw(st.none() | values)]
    given_as = [None if each is None else spell(each) for each in listed]
    return Asked([name, "eq", given_as if operator == "eq-list" else given_as[0]], lambda row, _: row[name] in listed)


@st.composite
def flagged(draw: st.DrawFn) -> Asked:
    wanted = draw(st.booleans())
    sent = draw(st.sampled_from([wanted, int(wanted), str(int(wanted)), str(wanted).lower()]))
    return Asked(["done", "eq", sent], lambda row, _: row["done"] is wanted)


@st.composite
def worded(draw: st.DrawFn, name: str) -> Asked:
    """Comparisons without regard to case; of a multi by its choices."""
    operator = draw(st.sampled_from(["contains", "starts_with", "like", "starts%", "%ends", "%both%"]))
    text = draw(TEXTS.map(lambda each: each.strip("%")).filter(bool))
    if operator in ("contains", "starts_with", "like"):
        sent = [name, operator, text]
    else:
        sent = [name, "like", operator.replace("starts", text).replace("ends", text).replace("both", text)]
    asked = record_columns.folded(text)

    def fits(value: str) -> bool:
        folded = record_columns.folded(value)
        if operator in ("starts_with", "starts%"):
            return folded.startswith(asked)
        return folded.endswith(asked) if operator == "%ends" else asked in folded

    def holds(row: Row, _: World) -> bool:
        value = row[name]
        return value is not None and any(map(fits, value if isinstance(value, tuple) else [value]))

    return Asked(sent, holds)


@st.composite
def chosen(draw: st.DrawFn) -> Asked:
    wanted = draw(st.lists(st.sampled_from(["Red", "red", "Straße", "none"]), min_size=1, max_size=2))
    return Asked(
        ["colours", "eq", wanted if len(wanted) > 1 else wanted[0]],
        lambda row, _: row["colours"] is not None and not set(wanted).isdisjoint(row["colours"]),
    )


@st.composite
def timed(draw: st.DrawFn) -> Asked:
    """A datetime compared with days, minutes, seconds and milliseconds: by as much as is written."""
    day = st.dates(date(2, 1, 1), date(9998, 12, 31)) | st.just(date(2024, 2, 29))
    at = draw(
        MOMENTS.filter(lambda ms: 2 < moment(ms).year < 9998)
        | st.builds(lambda d: (d - date(1970, 1, 1)).days * 86_400_000, day)
    )
    size, form = draw(
        st.sampled_from(
            [
                *((86_400_000, form) for form in ("%Y-%m-%d", "%m/%d/%Y")),
                (60_000, "%Y-%m-%dT%H:%M"),
                *((1_000, f"%Y-%m-%d{form}") for form in ("T%H:%M:%SZ", " %H:%M:%S UTC", "T%H:%M:%S.000Z")),
            ]
        )
    )
    written = moment(at).strftime(form.replace("%Y", f"{moment(at).year:04}"))
    operator = draw(st.sampled_from(["eq", *ORDER]))
    compare = ORDER.get(operator, lambda a, b: a == b)
    return Asked(
        ["moment", operator, written],
        lambda row, _: row["moment"] is not None and compare(row["moment"] // size, at // size),
    )


@st.composite
def dated(draw: st.DrawFn) -> Asked:
    name = draw(st.sampled_from(["day", "moment"]))
    sent, first, last = draw(
        st.sampled_from(
            [
                (["yesterday", "-"], "2024-02-28", "2024-02-28"),
                (["today", ""], "2024-02-29", "2024-02-29"),
                (["this-month", "-"], "2024-02-01", "2024-02-29"),
                (["next-n-months", "1"], "2024-03-01", "2024-03-31"),
                (["last-n-fiscal-years", 1], "2022-07-01", "2023-06-30"),
                (["range-year-cal", "2023 - 2024"], "2023-01-01", "2024-12-31"),
                (["range-year-fiscal", "2024 - 2024"], "2023-07-01", "2024-06-30"),
                (["range", "02/28/2024 - 02/29/2024"], "2024-02-28", "2024-02-29"),
            ]
        )
    )
    low, high = date.fromisoformat(first), date.fromisoformat(last)

    def holds(row: Row, _: World) -> bool:
        value = row[name] if name == "day" or row[name] is None else moment(row[name]).date()
        return value is not None and low <= value <= high

    return Asked([name, *sent], holds)


COMPARED = {
    "strings": compared("name", TEXTS, str),
    "texts": compared('te"xt', TEXTS, str),
    "ids": compared("id", IDS, str),
    "integers as text": compared("count", NUMBERS, str),
    "integers": compared("count", NUMBERS, int),
    "decimals as text": compared("amount", DECIMALS, str),
    "decimals": compared("amount", DECIMALS, lambda each: each),
    "days": compared("day", DAYS, date.isoformat),
    "relations": compared("part_id", IDS, int),
    "booleans": flagged(),
    "words in strings": worded("name"),
    "words in texts": worded('te"xt'),
    "words in multis": worded("colours"),
    "multis": chosen(),
    "times": timed(),
    "periods": dated(),
}
THING_LEAVES = st.one_of(*COMPARED.values())
PART_LEAVES = st.one_of(
    compared("name", TEXTS, str), compared("weight", DECIMALS, str), compared("parent_id", IDS, int)
)
NOTE_LEAVES = st.one_of(compared("name", TEXTS, str), worded("name"))


@st.composite
def opposite(draw: st.DrawFn, asked: st.SearchStrategy[Asked]) -> Asked:
    inner = draw(asked)
    sent = [inner.sent[0], f"not-{inner.sent[1]}", inner.sent[2]]
    return Asked(sent, lambda row, world: not inner.holds(row, world))


@st.composite
def grouped(draw: st.DrawFn, asked: st.SearchStrategy[Asked]) -> Asked:
    kind = draw(st.sampled_from(["and", "or", "not-and", "not-or", "AND"]))
    parts = draw(st.lists(asked, min_size=1, max_size=3))
    every = any if kind.endswith("or") else all

    def holds(row: Row, world: World) -> bool:
        return every(part.holds(row, world) for part in parts) != kind.startswith("not-")

    return Asked({"group_type": kind, "conditions": [part.sent for part in parts]}, holds)


@st.composite
def across(
    draw: st.DrawFn, name: str, to: str, far: Callable[[Row, Row], bool], asked: st.SearchStrategy[Asked]
) -> Asked:
    """A condition on a record at the other end; `far` says which ones these are."""
    inner = draw(asked | st.just(Asked({}, lambda row, world: True)))
    sent = inner.sent
    if name == "owner_id":
        sent = {"group_type": "and", "conditions": [sent], "relationship_filter_model_type": to.capitalize()}
    return Asked(
        [name, "filter", sent],
        lambda row, world: any(far(row, other) and inner.holds(other, world) for other in world[to]),
    )


def filters(leaves: st.SearchStrategy[Asked], *acrosses: st.SearchStrategy[Asked]) -> st.SearchStrategy[Asked]:
    base = st.one_of(leaves, opposite(leaves), *acrosses)
    return st.recursive(base, lambda inner: grouped(inner), max_leaves=6)


NOTES = filters(
    NOTE_LEAVES,
    st.deferred(
        lambda: across("owner_id", "part", lambda n, p: n["owner_type"] == "Part" and n["owner_id"] == p["id"], PARTS)
    ),
)
PARTS: st.SearchStrategy[Asked] = filters(
    PART_LEAVES,
    st.deferred(lambda: across("parent_id", "part", lambda one, other: one["parent_id"] == other["id"], PARTS)),
    st.deferred(lambda: across("parts", "part", lambda one, other: other["parent_id"] == one["id"], PARTS)),
    st.deferred(lambda: across("things", "thing", lambda one, other: other["part_id"] == one["id"], THING_LEAVES)),
    across("notes", "note", lambda p, n: n["owner_type"] == "Part" and n["owner_id"] == p["id"], NOTE_LEAVES),
)
OF_PART = across("part_id", "part", lambda one, other: one["part_id"] == other["id"], PARTS)
OF_NOTES = across("notes", "note", lambda t, n: n["owner_type"] == "Thing" and n["owner_id"] == t["id"], NOTES)
THINGS = filters(THING_LEAVES, OF_PART, OF_NOTES)
