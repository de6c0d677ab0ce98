"""Multi-value fields and the choices that say more of them: each follows the other."""

from __future__ import annotations

from typing import Any

import pytest

from fluvial import record_queries, record_schemas, records
from fluvial.caller import Caller
from fluvial.errors import RecordInvalidError
from fluvial.records import Record
from fluvial.store import records as store
from tests import factories

CHOICE = "model_attribute_choice"


class Places:
    """An account whose grant requests have the field `places`: TX with DAL and `Other` below, OH with `Other` below."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.field = self.make(
            "model_attribute",
            name="places",
            attribute_type="multi_value",
            multi_allowed=1,
            model_type="GrantRequest",
        ).id
        self.texas, self.ohio = self.option("TX"), self.option("OH")
        self.dallas = self.option("DAL", self.texas)
        self.texas_other, self.ohio_other = self.option("Other", self.texas), self.option("Other", self.ohio)

    def make(self, model: str, **given: object) -> Record:
        schema = record_schemas.of(self.caller.account)
        return records.create(self.caller, schema, schema.model(model), given)

    def change(self, record: Record, **given: object) -> Record:
        schema = record_schemas.of(self.caller.account)
        return records.update(self.caller, schema, schema.model(record.model), record.id, given)

    def remove(self, record: Record) -> None:
        schema = record_schemas.of(self.caller.account)
        assert records.delete(self.caller, schema, schema.model(record.model), record.id)

    def option(self, value: str, parent: int | None = None) -> int:
        given = {"model_attribute_id": self.field, "value": value, "dependent_model_attribute_value_id": parent}
        return self.make("model_attribute_value", **given).id

    def choose(self, grant: Record, option: int, **given: object) -> Record:
        return self.make(CHOICE, model_id=grant.id, model_attribute_value_id=str(option), **given)

    def now(self, grant: Record) -> Record:
        schema = record_schemas.of(self.caller.account)
        found = records.get(self.caller, schema, schema.model("grant_request"), grant.id)
        assert found is not None
        return found

    def chosen(self, grant: Record) -> list[Any]:
        """The options that the choices of a record are of, as the lists show them."""
        schema = record_schemas.of(self.caller.account)
        query = record_queries.Query(schema.model(CHOICE), per_page=100)
        found = record_queries.page(self.caller, schema, query, walk="test").records
        assert all(each.value("model_type") == "GrantRequest" for each in found)
        assert all(each.value("model_attribute_id") == self.field for each in found)
        return [each.value("model_attribute_value_id") for each in found if each.value("model_id") == grant.id]


@pytest.fixture
def places(aws: dict[str, str]) -> Places:
    return Places(factories.new_caller())


def problems_of(write: Any, *given: Any, **named: Any) -> dict[str, list[str]]:
    with pytest.raises(RecordInvalidError) as refused:
        write(*given, **named)
    return refused.value.problems


def test_choices_follow_the_field_through_all_writes(places: Places) -> None:
    grant = places.make("grant_request", places=["DAL", "OH"])
    other = places.make("grant_request", places="OH")
    assert places.chosen(grant) == [places.dallas, places.ohio]
    places.change(grant, places=["OH", "TX"])
    assert places.chosen(grant) == [places.ohio, places.texas]
    places.change(grant, project_title="The same places")
    assert places.chosen(grant) == [places.ohio, places.texas]
    places.change(grant, places="")
    assert places.chosen(grant) == []
    assert places.chosen(other) == [places.ohio]


def test_the_field_follows_its_choices(places: Places) -> None:
    grant = places.make("grant_request", project_title="A")
    dallas = places.choose(grant, places.dallas, amount_value="40")
    assert dallas.values["model_attribute_id"] == places.field
    assert places.now(grant).values["places"] == ("DAL",)
    texas = places.choose(grant, places.texas)
    assert places.now(grant).values["places"] == ("DAL", "TX")
    assert places.now(grant).revision == 3
    places.change(dallas, amount_value=60)
    assert places.now(grant).revision == 3
    places.remove(dallas)
    assert places.now(grant).values["places"] == ("TX",)
    places.remove(texas)
    assert "places" not in places.now(grant).values
    assert places.chosen(grant) == []


def test_options_of_one_value_are_told_apart_by_their_choices(places: Places) -> None:
    grant = places.make("grant_request")
    problems = problems_of(places.change, grant, places=["Other"])
    assert "has several options 'Other': TX > Other; OH > Other. Choose one by" in problems["places"][0]
    places.choose(grant, places.texas_other)
    ohio = places.choose(grant, places.ohio_other)
    assert places.now(grant).values["places"] == ("Other",)
    places.change(grant, places=["Other", "TX"])
    assert places.chosen(grant) == [places.texas_other, places.ohio_other, places.texas]
    places.remove(ohio)
    assert places.now(grant).values["places"] == ("Other", "TX")
    assert places.chosen(grant) == [places.texas_other, places.texas]


def test_a_choice_is_checked(places: Places) -> None:
    grant = places.make("grant_request", places="TX")
    gone = places.make("grant_request")
    places.remove(gone)
    single = places.make("model_attribute", name="one", attribute_type="multi_value", model_type="GrantRequest").id
    only = places.make("model_attribute_value", model_attribute_id=single, value="A").id
    retired = places.option("NY")
    places.make("grant_request", places="NY")
    schema = record_schemas.of(places.caller.account)
    records.update(places.caller, schema, schema.model("model_attribute_value"), retired, {"retired": True})

    def problems(of: Record, option: int, **given: object) -> dict[str, list[str]]:
        return problems_of(places.choose, of, option, **given)

    assert "is chosen already" in problems(grant, places.texas)["model_attribute_value_id"][0]
    assert "and there is no such record" in problems(gone, places.texas)["model_id"][0]
    assert "several options, not" in problems(grant, only)["model_attribute_id"][0]
    assert "a retired option of 'places'" in problems(grant, retired)["model_attribute_value_id"][0]
    chosen = places.choose(grant, places.dallas)
    for name, given in (("model_attribute_value_id", places.ohio), ("model_id", gone.id)):
        assert "cannot be changed" in problems_of(places.change, chosen, **{name: given})[name][0]
    assert places.chosen(grant) == [places.texas, places.dallas]


def test_too_many_options_at_once_are_refused_and_none_is_chosen(places: Places) -> None:
    names = [f"P{number}" for number in range(36)]
    for name in names:
        places.option(name)
    grant = places.make("grant_request", places=names[:35])
    problems = problems_of(places.make, "grant_request", places=names)
    assert problems["places"][0].startswith("changes 36 options at once, at most 35")
    assert places.now(grant).values["places"] == tuple(names[:35])
    assert len(places.chosen(grant)) == 35


def test_two_choices_at_once_are_both_kept(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = places.make("grant_request")
    read = store.get
    meanwhile: list[object] = []

    def interrupted(model: Any, account: int, record_id: int) -> Record | None:
        found = read(model, account, record_id)
        if model.name == "grant_request" and not meanwhile:
            meanwhile.append(True)
            places.choose(grant, places.texas)
        return found

    monkeypatch.setattr(store, "get", interrupted)
    places.choose(grant, places.ohio)
    assert set(places.now(grant).values["places"]) == {"TX", "OH"}  # type: ignore[arg-type]
    assert set(places.chosen(grant)) == {places.texas, places.ohio}


def test_deleting_a_record_or_an_option_leaves_its_choices(places: Places) -> None:
    grant = places.make("grant_request", places=["TX", "OH"])
    schema = record_schemas.of(places.caller.account)
    records.delete(places.caller, schema, schema.model("model_attribute_value"), places.ohio)
    assert places.now(grant).values["places"] == ("TX", "OH")
    assert places.change(grant, places=["OH"]).values["places"] == ("OH",)
    assert places.chosen(grant) == [places.ohio]
    places.remove(grant)
    assert places.chosen(grant) == [places.ohio]
