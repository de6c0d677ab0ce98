"""Filters as callers send them: those of the contract, those of real clients, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import record_catalogue, record_filters
from fluvial.errors import InvalidError, UnknownModelError
from fluvial.record_filters import MAX_DEPTH, Comparison, Condition, Group, Related, anything, negated
from tests.core.record_asking import SITE_VISIT, TODAY, Schema, all_of, any_of, days, eq, field, parse, refused

# --- what clients send ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"group_type": "and", "conditions": [["id", "eq", 123]]}, eq("id", 123)),
        (["id", "eq", 123], eq("id", 123)),
        (["grant_id", "eq", "R-2024-00003"], eq("grant_id", "R-2024-00003")),
        (["project_title", "eq", "Test Project"], eq("project_title", "Test Project")),
        (["state", "eq", "closed"], eq("state", "closed")),
        (
            {"group_type": "or", "conditions": [["id", "eq", "22617997"], ["id", "eq", "22618119"]]},
            any_of(eq("id", 22617997), eq("id", 22618119)),
        ),
        (
            {"group_type": "or", "conditions": [["created_by_id", "eq", 12810295], ["updated_by_id", "eq", 12810295]]},
            any_of(eq("created_by_id", 12810295), eq("updated_by_id", 12810295)),
        ),
        (
            {
                "group_type": "and",
                "conditions": [
                    ["base_request_id", "eq", "123-123"],
                    ["granted", "eq", True],
                    ["grant_agreement_at", "last-n-days", 730],
                ],
            },
            all_of(
                eq("base_request_id", "123-123"),
                eq("granted", True),
                Comparison(field("grant_agreement_at"), "between", days("2022-03-01", "2024-02-28")),
            ),
        ),
        (
            {
                "group_type": "and",
                "conditions": [
                    ["granted", "eq", "1"],
                    [
                        "program_organization_id",
                        "filter",
                        {
                            "group_type": "and",
                            "conditions": [["geo_state_id", "eq", "4014"], ["geo_country_id", "eq", "250"]],
                        },
                    ],
                ],
            },
            all_of(
                eq("granted", True),
                Related(
                    field("program_organization_id"),
                    "organization",
                    all_of(
                        eq("geo_state_id", 4014, model="organization"), eq("geo_country_id", 250, model="organization")
                    ),
                ),
            ),
        ),
        (["initiative_id", "null", ""], Comparison(field("initiative_id"), "null")),
        (["id", "not-null", ""], negated(Comparison(field("id"), "null"))),
        (["initiative_id", "eq", None], Comparison(field("initiative_id"), "null")),
        (["initiative_id", "not-eq", ""], negated(Comparison(field("initiative_id"), "null"))),
        (
            {"group_type": "not-or", "conditions": [["id", "eq", 1], {"group_type": "not-and", "conditions": []}]},
            Group("or", True, (eq("id", 1),)),
        ),
        ({"group_type": "NOT-AND", "conditions": [["id", "lt", 1]]}, Group("and", True, (parse(["id", "lt", 1]),))),
        # What clients make of groups that they left empty.
        ([], None),
        ({}, None),
        (None, None),
        ("", None),
        ({"group_type": "and", "conditions": []}, None),
        ({"group_type": None, "conditions": [["id", "eq", 1]]}, eq("id", 1)),
        ({"conditions": ["id", "eq", 1]}, eq("id", 1)),
        ([["id", "eq", 1], {"state": "new"}], all_of(eq("id", 1), eq("state", "new"))),
        (
            ["program_organization", "filter", {"group_type": "and", "conditions": []}],
            Related(field("program_organization_id"), "organization", anything()),
        ),
        (
            {"program_organization_id": {"name": "Acme"}},
            Related(field("program_organization_id"), "organization", eq("name", "Acme", model="organization")),
        ),
    ],
)
def test_a_filter_of_a_client_is_understood(sent: Any, expected: Condition | None) -> None:
    assert parse(sent) == expected


def test_a_filter_goes_through_lists_of_records_to_many_levels() -> None:
    request = {"group_type": "and", "conditions": [["id", "eq", 5]]}
    sent = {
        "group_type": "and",
        "conditions": [
            ["active", "eq", 1],
            {
                "group_type": "or",
                "conditions": [
                    [
                        "owner_organization_id",
                        "filter",
                        {"group_type": "and", "conditions": [["request_ids", "filter", request]]},
                    ],
                    [
                        "owner_user_id",
                        "filter",
                        {"group_type": "and", "conditions": [["user_request_ids", "filter", request]]},
                    ],
                ],
            },
        ],
    }
    organization = Related(field("request_ids", "organization"), "grant_request", eq("id", 5))
    user = Related(field("user_request_ids", "user"), "grant_request", eq("id", 5))
    assert parse(sent, "bank_account") == all_of(
        eq("active", True, model="bank_account"),
        any_of(
            Related(field("owner_organization_id", "bank_account"), "organization", organization),
            Related(field("owner_user_id", "bank_account"), "user", user),
        ),
    )


@pytest.mark.parametrize(
    ("model", "sent", "expected"),
    [
        ("model_attribute", {"model_attribute": {"model_type": "GrantRequest"}}, {"model_type": ("GrantRequest",)}),
        ("model_attribute", {"ModelAttribute": {"model_type": ["GrantRequest"]}}, {"model_type": ("GrantRequest",)}),
        (
            "model_attribute",
            {"name": ["f1", "f2"], "model_type": "GrantRequest", "attribute_type": "multi_value"},
            {"name": ("f1", "f2"), "model_type": ("GrantRequest",), "attribute_type": ("multi_value",)},
        ),
        (
            "model_attribute",
            {
                "model_attribute": {
                    "attribute_type": "multi_value",
                    "multi_allowed": 1,
                    "model_type": "GrantRequest",
                    "name": ["f1", "f2"],
                }
            },
            {
                "attribute_type": ("multi_value",),
                "multi_allowed": (1,),
                "model_type": ("GrantRequest",),
                "name": ("f1", "f2"),
            },
        ),
        (
            "model_attribute_value",
            {"model_attribute_value": {"model_attribute_id": [12568, "12569"]}},
            {"model_attribute_id": (12568, 12569)},
        ),
        ("model_attribute_value", {"retired": "false"}, {"retired": (0,)}),
        (
            "model_attribute_choice",
            {"model_attribute_id": [12568], "model_id": 65},
            {"model_attribute_id": (12568,), "model_id": (65,)},
        ),
        ("fund", {"fund": {"id": ["1", "2"]}}, {"id": (1, 2)}),
        ("fund", {"fund": {}}, {}),
        ("fund", {"id": []}, {"id": ()}),
    ],
)
def test_the_equality_form_means_one_value_of_each_field(
    model: str, sent: Any, expected: dict[str, tuple[Any, ...]]
) -> None:
    parts = [eq(name, *values, model=model) if values else any_of() for name, values in expected.items()]
    assert parse(sent, model) == (None if not parts else parts[0] if len(parts) == 1 else all_of(*parts))


def test_the_equality_form_of_a_custom_class_is_below_its_name_or_its_key() -> None:
    expected = Comparison(SITE_VISIT.fields[1], "eq", ("Water",))
    for name in ("mac_model_type_dyn_site_visit", "MacModelTypeDynSiteVisit", "machine_model"):
        assert parse({name: {"sectors": "Water"}}, SITE_VISIT) == expected


@pytest.mark.parametrize(
    ("model", "name", "owner"), [("grant_request", "notes", "GrantRequest"), ("user", "note_ids", "User")]
)
def test_notes_of_one_class_are_not_those_of_another(model: str, name: str, owner: str) -> None:
    notes = Related(
        field("notes", model), "note", all_of(eq("notable_type", owner, model="note"), eq("note", "x", model="note"))
    )
    assert parse([name, "filter", {"note": "x"}], model) == notes


def test_a_relation_to_several_classes_needs_the_name_of_one() -> None:
    inner = {"relationship_filter_model_type": "GrantRequest", "conditions": [["id", "eq", 1]]}
    assert parse(["notable_id", "filter", inner], "note") == all_of(
        eq("notable_type", "GrantRequest", model="note"),
        Related(field("notable_id", "note"), "grant_request", eq("id", 1)),
    )
    error = refused(["notable_id", "filter", {"id": 1}], "note")
    assert "relationship_filter_model_type" in error.reason
    with pytest.raises(UnknownModelError):
        parse(["notable_id", "filter", inner | {"relationship_filter_model_type": "Foo"}], "note")


def test_lists_of_records_are_compared_by_their_ids() -> None:
    requests = field("grant_requests", "organization")
    assert parse(["request_ids", "eq", [1, "2"]], "organization") == Related(requests, "grant_request", eq("id", 1, 2))
    assert parse(["request_ids", "null", "-"], "organization") == negated(
        Related(requests, "grant_request", anything())
    )
    assert parse({"request_ids": None}, "organization") == Related(
        requests, "grant_request", Comparison(field("id"), "null")
    )


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "place", "reason"),
    [
        ("state=new", "filter", '"state=new" is no condition'),
        (7, "filter", "7 is no condition"),
        (["state"], "filter", "this one has 1 parts"),
        (["state", "eq", 1, 2], "filter", "this one has 4 parts"),
        (["nope", "eq", 1], "filter", 'grant_request has no field "nope"; it has: id, created_at,'),
        ([None, "eq", 1], "filter", "grant_request has no field null"),
        ({"nope": 1}, "filter.nope", 'grant_request has no field "nope"'),
        ({"user": {"id": 1}}, "filter.user", 'grant_request has no field "user"'),
        ({"conditions": 7}, "filter.conditions", '"conditions" must be a list, not 7.'),
        (
            {"group_type": "xor", "conditions": []},
            "filter.group_type",
            '"group_type" must be one of and, or, not-and, not-or, not "xor".',
        ),
        (
            {"conditions": [["id", "eq", 1], {"conditions": [["id", "eq", "x"]]}]},
            "filter.conditions.1.conditions.0",
            "'id' must be a whole number, not \"x\".",
        ),
        (
            ["program_organization_id", "filter", ["nope", "eq", 1]],
            "filter.filter",
            'organization has no field "nope"',
        ),
        (
            ["state", "between", 1],
            "filter",
            "'state' cannot be compared by \"between\"; the operators of a string are: eq,",
        ),
        (["state", None, 1], "filter", "'state' cannot be compared by null"),
        (["state", "range", "a - b"], "filter", "'state' cannot be compared by \"range\""),
        (["state", "last-n-days", 1], "filter", "'state' cannot be compared by \"last-n-days\""),
        (["state", "filter", {}], "filter", "'state' cannot be compared by \"filter\""),
        (["granted", "not-filter", {}], "filter", "'granted' cannot be compared by \"not-filter\""),
        (["created_at", "not-not-eq", 1], "filter", "this-fiscal-year, last-n-days, days-n-ago and other periods"),
        (["granted", "eq", "maybe"], "filter", "'granted' must be true or false, not \"maybe\"."),
        (["id", "eq", 2**63], "filter", f"'id' must be a whole number, not {2**63}."),
        (["id", "eq", 1.5], "filter", "'id' must be a whole number, not 1.5."),
        (["id", "eq", {"id": 1}], "filter", "'id' can be compared with one value, not with an object."),
        (["id", "lt", [1]], "filter", "'id' can be compared with one value, not with a list."),
        (["id", "eq", [[1]]], "filter", "'id' can be compared with one value, not with a list."),
        (["id", "lt", None], "filter", "'id' can be compared with a value by lt, not with null."),
        (["id", "range", "1"], "filter", 'a range such as 10000 - 20000, not with "1".'),
        (["id", "range", "1 - "], "filter", "a range such as 10000 - 20000"),
        (["id", "range", [1, None]], "filter", "a range such as 10000 - 20000, not with a list."),
        (["amount_requested", "eq", "1E400"], "filter", "'amount_requested' must be a number of at most 38 digits"),
        (["amount_requested", "eq", "lots"], "filter", "'amount_requested' must be a number, not \"lots\"."),
        (["created_at", "eq", "2023-02-29"], "filter", "'created_at' must be a day of the calendar"),
        (["created_at", "range", "13/01/2018 - 01/01/2019"], "filter", "'created_at' must be a day of the calendar"),
        (["created_at", "range", "x - y"], "filter", "a range such as 01/01/2018 - 12/31/2018"),
        (["created_at", "range-year-cal", "18 - 19"], "filter", "a range of years such as 2018 - 2019"),
        (["created_at", "range-year-cal", "0000"], "filter", "years from 1 to 9999"),
        (["created_at", "range-year-cal", {}], "filter", "a range of years such as 2018 - 2019"),
        (["created_at", "last-n-days", "-"], "filter", 'a whole number of units, such as 5, not with "-".'),
        (["created_at", "last-n-days", "0"], "filter", "a number of units other than 0"),
        (["created_at", "years-n-ago", 3000], "filter", "that stays within the years 1 to 9999, not with 3000."),
        (["created_at", "this-year", 2024], "filter", 'no value: "-" stands in its place'),
        (["state", "null", "new"], "filter", 'no value by this operator: "-" stands in its place'),
        (["project_title", "contains", ""], "filter", "text that is not empty"),
        (["project_title", "eq", "\ud83d"], "filter", "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(sent: Any, place: str, reason: str) -> None:
    error = refused(sent)
    assert (error.field, reason in error.reason) == (place, True), error.reason


def test_a_refusal_names_value_and_what_is_allowed() -> None:
    error = refused(["state", "between", 1])
    assert (error.value, error.constraint) == (
        '"between"',
        "eq, lt, lte, gt, gte, contains, like, starts_with, null, "
        "not-eq, not-lt, not-lte, not-gt, not-gte, not-contains, not-like, not-starts_with, not-null",
    )
    error = refused(["amount_requested", "gt", "abc"])
    assert (error.value, error.constraint) == ("abc", "a number")
    assert len(str(refused(["amount_requested", "gt", "x" * 100_000]))) < 300


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 100, 100_000])
@pytest.mark.parametrize("form", ["group", "list", "related", "look-up"])
def test_a_filter_that_is_too_deep_is_refused_and_not_followed(levels: int, form: str) -> None:
    sent: Any = ["id", "eq", 1]
    for _ in range(levels):
        match form:
            case "group":
                sent = {"group_type": "and", "conditions": [sent]}
            case "list":
                sent = [sent]
            case "related":
                sent = ["parent_id", "filter", sent]
            case _:
                sent = {"parent": sent} if isinstance(sent, dict) else {"id": 1}
    with pytest.raises(InvalidError) as caught:
        record_filters.parse(sent, record_catalogue.model("program"), Schema(), today=TODAY, fiscal_start=1)
    assert (caught.value.reason, caught.value.constraint) == ("A filter has at most 32 levels.", "at most 32 levels")


def test_a_filter_of_all_levels_is_read() -> None:
    sent: Any = ["id", "eq", 1]
    for _ in range(MAX_DEPTH - 1):
        sent = ["parent_id", "filter", sent]
    found = parse(sent, "program")
    for _ in range(MAX_DEPTH - 1):
        assert isinstance(found, Related)
        found = found.inner
    assert found == eq("id", 1, model="program")


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        ({"conditions": [["id", "eq", 1]] * 1_000}, "conditions"),
        ({"conditions": [{"conditions": [["id", "null", ""]] * 99}] * 10}, "conditions"),
        ({"conditions": [{}] * 1_000_000}, "conditions"),
        ({"id": list(range(1_001))}, "values"),
        ({"conditions": [["id", "eq", list(range(501))]] * 2}, "values"),
        (["project_title", "contains", ["x"] * 1_001], "values"),
    ],
)
def test_a_filter_that_is_too_long_is_refused(sent: Any, what: str) -> None:
    assert refused(sent).reason == f"A filter has at most 1000 {what}."


def test_the_longest_filters_are_read() -> None:
    condition = parse({"conditions": [["id", "eq", 1]] * 999})
    assert isinstance(condition, Group)
    assert len(condition.parts) == 999
    assert parse({"id": list(range(1, 1_001))}) == eq("id", *range(1, 1_001))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(
        [
            *("id", "state", "created_at", "amount_requested", "granted", "program_id", "notes", "eq", "filter"),
            *("not-null", "range", "range-year-cal", "last-n-days", "like", "-", "2024-01-01", "1 - 2", "today"),
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["group_type", "conditions", "state", "id", "grant_request", "program"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_sent_it_is_a_condition_or_refused_by_name(sent: Any) -> None:
    model = record_catalogue.model("grant_request")
    problem, found = None, None
    try:
        found = record_filters.parse(sent, model, Schema(), today=TODAY, fiscal_start=1)
    except InvalidError as error:
        problem = error
    if problem is not None:
        assert problem.reason
        assert str(problem.field).startswith("filter")
    assert found is None or isinstance(found, Comparison | Related | Group)
