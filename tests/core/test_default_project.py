"""The project of what is made without naming one, on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import paging, projects
from fluvial.caller import Caller
from fluvial.errors import NotFoundError
from fluvial.store import projects as store
from tests import factories


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def test_it_is_made_once(caller: Caller) -> None:
    first = projects.default(caller)
    assert (first.name, first.slug, first.account) == ("Imports", "imports", caller.account)
    assert projects.default(caller) == first
    assert projects.page(caller, paging.Order(), offset=0, limit=10).items == [first]


def test_it_is_made_anew_after_its_deletion(caller: Caller) -> None:
    first = projects.default(caller)
    projects.delete(caller, first.id)
    second = projects.default(caller)
    assert second.id != first.id
    assert projects.default(caller) == second


def test_it_stays_the_default_under_another_name(caller: Caller) -> None:
    first = projects.default(caller)
    projects.update(caller, first.id, projects.Change(frozenset({"name"}), name="Landing"))
    assert projects.default(caller).id == first.id


def test_a_project_with_the_same_name_and_slug_is_not_taken_for_it(caller: Caller) -> None:
    other = projects.create(caller, name="Imports")
    made = projects.default(caller)
    assert made.id != other.id
    assert made.slug == "imports-2"


def test_each_account_has_its_own(caller: Caller) -> None:
    assert projects.default(caller).id != projects.default(factories.new_caller()).id


def test_a_key_of_one_project_has_that(caller: Caller) -> None:
    project = factories.new_project(caller)
    assert projects.default(replace(caller, project=project.id)) == project
    projects.delete(caller, project.id)
    with pytest.raises(NotFoundError):
        projects.default(replace(caller, project=project.id))


def test_of_two_that_make_it_at_once_one_wins_and_both_get_it(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    won: list[projects.Project] = []
    create = store.create

    def overtaken(*arguments: Any, **named: Any) -> Any:
        if not won:
            monkeypatch.setattr(store, "create", create)
            won.append(projects.default(caller))
        return create(*arguments, **named)

    monkeypatch.setattr(store, "create", overtaken)
    assert projects.default(caller) == won[0]
    assert projects.page(caller, paging.Order(), offset=0, limit=10).items == won
