"""Projects, data sources, analyses and pages as records, on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import analyses, datasets, events, jobs, pages, projects, record_platform, record_schemas, records
from fluvial.caller import Caller
from fluvial.errors import ConflictError, ForbiddenError, NotFoundError, RecordInvalidError, StaleError
from fluvial.idempotency import Once
from fluvial.records import Record
from fluvial.store.table import GuardError
from tests import factories

SCHEMA: Any = record_schemas.Schema(0)
QUERY = {"aggregates": [{"function": "count", "as": "n"}]}


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def create(caller: Caller, model: str, **given: Any) -> Record:
    return records.create(caller, SCHEMA, SCHEMA.model(model), given)


def get(caller: Caller, model: str, record_id: int) -> Record | None:
    return records.get(caller, SCHEMA, SCHEMA.model(model), record_id)


def update(caller: Caller, model: str, record_id: int, **given: Any) -> Record:
    return records.update(caller, SCHEMA, SCHEMA.model(model), record_id, given)


def delete(caller: Caller, model: str, record_id: int) -> bool:
    return records.delete(caller, SCHEMA, SCHEMA.model(model), record_id)


def listed(caller: Caller, model: str) -> list[int]:
    return sorted(each.id for each in record_platform.records(caller, SCHEMA.model(model)))


def problems(caller: Caller, model: str, record_id: int | None = None, **given: Any) -> dict[str, list[str]]:
    with pytest.raises(RecordInvalidError) as refused:
        _ = create(caller, model, **given) if record_id is None else update(caller, model, record_id, **given)
    return refused.value.problems


def new_analysis(caller: Caller) -> Record:
    project = factories.new_project(caller)
    dataset = factories.new_dataset(caller, project)
    return create(caller, "analysis", name="Count", project_id=project.id, data_source_id=dataset.id, query=QUERY)


def test_a_project_is_the_same_as_elsewhere(caller: Caller) -> None:
    record = create(caller, "project", name="Water", description="Wells")
    project = projects.get(caller, record.id)
    assert record.values == {"name": "Water", "slug": "water", "description": "Wells", "status": "draft"}
    assert (record.created, record.revision, record.by) == (project.created, 1, None)
    assert get(caller, "project", record.id) == record
    changed = update(caller, "project", record.id, name="Fire", description="", industry="Energy")
    assert changed.values == {"name": "Fire", "slug": "water", "industry": "Energy", "status": "draft"}
    assert projects.get(caller, record.id).name == "Fire"
    assert delete(caller, "project", record.id)
    assert not delete(caller, "project", record.id)
    assert get(caller, "project", record.id) is None
    told = [event.type for event in events.read(caller, events.position(0), limit=100).events]
    assert told == ["project.created", "project.updated", "project.deleted"]


def test_refusals_of_the_core_name_the_fields_of_the_class(caller: Caller) -> None:
    project = factories.new_project(caller)
    assert problems(caller, "project", name="x" * 201, slug="Not A Slug", status="live", other=1).keys() == {
        "status",
        "other",
    }
    assert problems(caller, "project", name="x" * 201) == {"name": ["must have at most 200 characters, not 201"]}
    assert problems(caller, "project", name="x", slug="a-project") == {
        "slug": ["Another project has the slug 'a-project' already"]
    }
    assert problems(caller, "project", project.id, name="") == {"name": ["can't be blank"]}
    assert problems(caller, "page", title="Home", project_id=7) == {
        "project_id": ["names project 7, and there is none"]
    }


def test_a_data_source_is_made_elsewhere(caller: Caller) -> None:
    with pytest.raises(ConflictError, match="data-sources"):
        create(caller, "data_source", name="x", filename="x.csv")


def test_a_data_source_can_be_read_changed_and_deleted(caller: Caller) -> None:
    project = factories.new_project(caller)
    dataset = factories.new_dataset(caller, project)
    record = get(caller, "data_source", dataset.id)
    assert record is not None
    assert record.values == {
        "name": "data.csv",
        "project_id": project.id,
        "filename": "data.csv",
        "size": 8,
        "status": "processing",
        "version": 0,
    }
    changed = update(caller, "data_source", dataset.id, name="Wells", description="All of them")
    assert (changed.values["name"], changed.values["description"]) == ("Wells", "All of them")
    assert "description" not in update(caller, "data_source", dataset.id, description="").values
    assert datasets.get(caller, dataset.id).title == "Wells"
    assert problems(caller, "data_source", dataset.id, status="ready", name="x").keys() == {"status"}
    assert delete(caller, "data_source", dataset.id)
    assert get(caller, "data_source", dataset.id) is None


def test_an_analysis_is_the_same_as_elsewhere(caller: Caller) -> None:
    record = new_analysis(caller)
    analysis = analyses.get(caller, record.id)
    assert record.values == {
        "name": "Count",
        "project_id": analysis.project,
        "data_source_id": analysis.dataset,
        "query": json.dumps(analysis.query),
        "status": "created",
    }
    shown = {**record.values, "id": record.id, "name": "Sum"}
    assert update(caller, "analysis", record.id, **shown).values["name"] == "Sum"
    assert problems(caller, "analysis", record.id, project_id=7) == {
        "project_id": ["cannot be changed once it is made"]
    }
    assert problems(caller, "analysis", record.id, query="{").keys() == {"query"}
    assert problems(caller, "analysis", record.id, query='{"sums":"x"}').keys() == {"query"}
    assert delete(caller, "analysis", record.id)


def test_an_analysis_needs_its_data(caller: Caller) -> None:
    project = factories.new_project(caller)
    assert problems(caller, "analysis", name="x", query=QUERY).keys() == {"project_id", "data_source_id"}
    given = {"name": "x", "project_id": project.id, "data_source_id": 7, "query": QUERY}
    assert problems(caller, "analysis", **given) == {"data_source_id": ["names dataset 7, and there is none"]}


def test_a_page_is_the_same_as_elsewhere(caller: Caller) -> None:
    project = factories.new_project(caller)
    home = create(caller, "page", title="Home", project_id=project.id)
    team = create(caller, "page", title="Team", project_id=project.id, parent_id=home.id, seo_title="Us")
    assert team.values == {
        "title": "Team",
        "slug": "team",
        "path": "home/team",
        "project_id": project.id,
        "parent_id": home.id,
        "status": "draft",
        "order": 0,
        "seo_title": "Us",
    }
    about = create(caller, "page", title="About", project_id=project.id)
    moved = update(caller, "page", team.id, parent={"id": ""}, order=0, status="published", seo_description="We")
    assert (moved.values.get("parent_id"), moved.values["order"], moved.values["status"]) == (None, 0, "published")
    assert pages.get(caller, team.id).seo == pages.Seo("Us", "We")
    assert [pages.get(caller, each.id).order for each in (home, about)] == [1, 2]
    assert problems(caller, "page", home.id, parent_id=7).keys() == {"parent_id"}
    assert problems(caller, "page", home.id, order=-1).keys() == {"order"}
    update(caller, "page", team.id, parent_id=home.id)
    with pytest.raises(ConflictError):
        delete(caller, "page", home.id)
    assert delete(caller, "page", team.id)
    assert delete(caller, "page", home.id)


def test_lists_have_all_that_the_caller_sees(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluvial.record_kinds.AT_ONCE", 2)
    made = [new_analysis(caller) for _ in range(3)]
    homes = [
        create(caller, "page", title=f"P{n}", project_id=each.values["project_id"]).id
        for each in made
        for n in range(3)
    ]
    assert listed(caller, "analysis") == [each.id for each in made]
    assert listed(caller, "project") == [each.values["project_id"] for each in made]
    assert listed(caller, "data_source") == [each.values["data_source_id"] for each in made]
    assert listed(caller, "page") == homes
    assert {
        model: listed(factories.new_caller(), model) for model in ("analysis", "project", "data_source", "page")
    } == {
        "analysis": [],
        "project": [],
        "data_source": [],
        "page": [],
    }


def test_a_key_of_one_project_sees_just_that(caller: Caller) -> None:
    mine, other = new_analysis(caller), new_analysis(caller)
    narrow = replace(caller, project=mine.values["project_id"])
    assert listed(narrow, "analysis") == [mine.id]
    assert get(narrow, "analysis", other.id) is None
    assert not delete(narrow, "analysis", other.id)


@pytest.mark.parametrize(
    ("model", "scope"), [("project", "projects"), ("data_source", "data"), ("analysis", "analyses"), ("page", "pages")]
)
def test_it_takes_the_scopes_of_the_thing(caller: Caller, model: str, scope: str) -> None:
    reader = replace(caller, scopes=frozenset({"records:read", "records:write", f"{scope}:read"}))
    assert get(reader, model, 7) is None
    for write in (
        lambda: create(reader, model, name="x"),
        lambda: update(reader, model, 7, name="x"),
        lambda: delete(reader, model, 7),
    ):
        with pytest.raises(ForbiddenError, match=f"{scope}:write"):
            write()
    writer = replace(caller, scopes=frozenset({"records:write", f"{scope}:write"}))
    assert not delete(writer, model, 7)
    with pytest.raises(NotFoundError):
        update(writer, model, 7, name="x")
    with pytest.raises(ForbiddenError, match=f"{scope}:read"):
        get(replace(caller, scopes=frozenset({"records:read"})), model, 7)


def test_to_another_account_it_does_not_exist(caller: Caller) -> None:
    analysis, other = new_analysis(caller), factories.new_caller()
    for model, record_id in (("analysis", analysis.id), ("project", analysis.values["project_id"])):
        assert get(other, model, record_id) is None
        assert not delete(other, model, record_id)
        with pytest.raises(NotFoundError):
            update(other, model, record_id, name="Mine")


def test_all_values_are_of_fields_that_the_class_has(caller: Caller) -> None:
    analysis = new_analysis(caller)
    factories.end_import(*import_of(caller, analysis.values["data_source_id"]), failure="It is empty.")
    create(caller, "page", title="Home", project_id=analysis.values["project_id"])
    for model in ("project", "data_source", "analysis", "page"):
        own = {each.name for each in SCHEMA.model(model).fields if each.kept}
        for record in record_platform.records(caller, SCHEMA.model(model)):
            assert record.model == model
            assert record.values.keys() <= own


def import_of(caller: Caller, dataset_id: Any) -> tuple[Any, Any]:
    dataset = datasets.get(caller, dataset_id)
    job = jobs.get(caller, dataset.job)
    return jobs.claim(caller.account, job.id, lease_milliseconds=1_000), dataset


def test_what_changes_nothing_is_no_change(caller: Caller) -> None:
    record = create(caller, "project", name="Water")
    assert update(caller, "project", record.id, **record.values, id=record.id) == record
    assert projects.get(caller, record.id).revision == 1


def test_a_time_of_deletion_deletes(caller: Caller) -> None:
    record = create(caller, "project", name="Water")
    gone = update(caller, "project", record.id, deleted_at="2026-01-01T00:00:00Z")
    assert (gone.id, gone.deleted is None) == (record.id, False)
    assert get(caller, "project", record.id) is None


def test_one_at_another_revision_than_expected_is_not_changed(caller: Caller) -> None:
    record, model = create(caller, "project", name="Water"), SCHEMA.model("project")
    with pytest.raises(StaleError):
        records.update(caller, SCHEMA, model, record.id, {"name": "Fire"}, expected=2)
    assert records.update(caller, SCHEMA, model, record.id, {"name": "Fire"}, expected=1).revision == 2


def test_under_one_key_one_is_made_once(caller: Caller) -> None:
    def once() -> Once[Record]:
        return Once(caller.account, "route", "k", "f", 200, lambda record: str(record.values["name"]))

    records.create(caller, SCHEMA, SCHEMA.model("project"), {"name": "Water"}, once=once())
    with pytest.raises(GuardError):
        records.create(caller, SCHEMA, SCHEMA.model("project"), {"name": "Water"}, once=once())
    found = once().find()
    assert found is not None
    assert found.body == "Water"
    assert len(listed(caller, "project")) == 1
