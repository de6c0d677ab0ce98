"""Every operation of every API, with each id in it a stranger's: as if there were no such thing, and nothing happens.

The operations are those of the OpenAPI documents, so that a new one without a case fails here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import keys
from fluvial.caller import OF_A_PROJECT, Caller
from fluvial.store import idempotency as store
from local.openapi import apis, refusals
from tests.isolation import tenants
from tests.isolation.cases import (
    CASES,
    LEFT_TO_EXPIRE,
    NEEDS_ALSO,
    NOT_A_200,
    NOT_A_404,
    OPEN,
    POSITIONS,
    READ_BY_POST,
    TOLD_AS_SUCCESS,
    TUNNELS,
)
from tests.isolation.conftest import World
from tests.isolation.documents import Operation, Place, operations
from tests.isolation.tenants import Kinds, send, succeeded, told

GUARDED = [operation for operation in operations() if str(operation) not in OPEN]
OF_THE_ACCOUNT = [each for each in GUARDED if str(each.scope).partition(":")[0] not in OF_A_PROJECT]
PLACES = [pytest.param(each, place, id=f"{each}: {place}") for each in GUARDED for place in each.places]
each_operation = pytest.mark.parametrize("operation", GUARDED, ids=str)
POSTS = [each for each in GUARDED if each.method == "POST" and str(each) not in (*READ_BY_POST, *TUNNELS)]
each_post = pytest.mark.parametrize("operation", POSTS, ids=str)
each_place = pytest.mark.parametrize(("operation", "place"), PLACES)


# ---------------------------------------------------------------- the matrix is whole


def test_every_operation_of_the_documents_has_a_case_and_every_case_an_operation() -> None:
    assert {f"{api} {name}" for api, cases in CASES.items() for name in cases} == {str(each) for each in operations()}


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_case_has_an_id_wherever_the_document_names_one(operation: Operation) -> None:
    assert [str(place) for place in operation.places if tenants.kind_of(operation, place) is None] == []


def test_exactly_the_listed_operations_are_open_to_all() -> None:
    assert {str(each) for each in operations() if each.scope is None} == set(OPEN)


def test_every_exception_is_of_a_place_that_there_is() -> None:
    places = {(str(operation), place.name) for operation in operations() for place in operation.places}
    assert places >= POSITIONS | NOT_A_404.keys() | NOT_A_200.keys()


# ---------------------------------------------------------------- one's own


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_case_succeeds_and_neither_shows_nor_touches_what_is_a_stranger_s(world: World, operation: Operation) -> None:
    answer = send(operation, world.own.caller, world.own.of)
    assert succeeded(answer), answer["body"]
    assert world.foreign.mark not in answer["body"]
    foreign = tenants.of(world.foreign, world.stored)
    assert foreign
    assert tenants.of(world.foreign, tenants.stored(world.pipeline)) == foreign


# ---------------------------------------------------------------- a stranger's


@each_place
def test_a_stranger_s_thing_is_answered_as_an_absent_one(world: World, operation: Operation, place: Place) -> None:
    own, kind = world.own, str(tenants.kind_of(operation, place))
    there, absent = world.foreign.of[kind], tenants.absent(beside=world.foreign.of)[kind]
    answer = send(operation, own.caller, own.of, {place: there})
    assert told(answer, there) == told(send(operation, own.caller, own.of, {place: absent}), absent)
    assert world.foreign.mark not in answer["body"]
    if (str(operation), place.name) not in POSITIONS:
        named = str(operation), place.name
        wanted = NOT_A_200.get(named, 200) if operation.api in TOLD_AS_SUCCESS else NOT_A_404.get(named, 404)
        assert answer["statusCode"] == wanted, answer["body"]
    check_untouched(world, own.caller)


@pytest.mark.parametrize("operation", [each for each in GUARDED if len(each.places) > 1], ids=str)
def test_several_things_of_a_stranger_are_answered_as_absent_ones(world: World, operation: Operation) -> None:
    check_alike(world, operation, world.own.caller, world.foreign.of, world.own.of | tenants.absent())


def check_alike(world: World, operation: Operation, caller: Caller, there: Kinds, absent: Kinds) -> None:
    """That the caller is answered as to ids that nothing has, that nothing is shown, and that nothing is changed."""
    kinds = [str(tenants.kind_of(operation, place)) for place in operation.places]
    answers = [told(send(operation, caller, ids), *(ids[kind] for kind in kinds)) for ids in (there, absent)]
    assert answers[0] == answers[1]
    assert there["mark"] not in answers[0][1]
    check_untouched(world, caller)


def check_untouched(world: World, caller: Caller) -> None:
    """That nothing is changed for anybody, but that the caller's request was counted."""
    counted = f"{tenants.partition(caller)}usage"
    before = {key: item for key, item in world.stored.items() if key[0] != counted}
    assert tenants.stored(world.pipeline, counts_of=caller) == before


# ---------------------------------------------------------------- scopes


@each_operation
def test_without_its_scope_a_key_that_has_all_others_is_refused(world: World, operation: Operation) -> None:
    others = frozenset(keys.SCOPES) - {keys.EVERYTHING, operation.scope}
    answer = send(operation, replace(world.own.caller, scopes=others), world.own.of)
    check_forbidden(operation, answer, f"This API key lacks the scope '{operation.scope}'")
    check_untouched(world, world.own.caller)


@each_operation
def test_its_scope_is_all_that_it_needs(world: World, operation: Operation) -> None:
    # What hands scopes on can hand on only those that it has.
    case = operation.scope if operation.name != "roll_key" else "*"
    also = {NEEDS_ALSO[str(operation)]} if str(operation) in NEEDS_ALSO else set()
    answer = send(operation, replace(world.own.caller, scopes=frozenset({str(case), *also})), world.own.of)
    assert succeeded(answer), answer["body"]


@pytest.mark.parametrize("operation", [each for each in GUARDED if str(each) in NEEDS_ALSO], ids=str)
def test_what_shows_rows_is_refused_to_a_key_that_may_not_read_them(world: World, operation: Operation) -> None:
    others = frozenset(keys.SCOPES) - {keys.EVERYTHING, NEEDS_ALSO[str(operation)]}
    answer = send(operation, replace(world.own.caller, scopes=others), world.own.of)
    check_forbidden(operation, answer, f"This API key lacks the scope '{NEEDS_ALSO[str(operation)]}'")
    check_untouched(world, world.own.caller)


@pytest.mark.parametrize("operation", [each for each in GUARDED if str(each) in READ_BY_POST], ids=str)
def test_what_only_reads_keeps_nothing(world: World, operation: Operation) -> None:
    assert once(world, operation)["statusCode"] == 200
    check_untouched(world, world.own.caller)


def check_forbidden(operation: Operation, answer: dict[str, Any], sentence: str) -> None:
    """That this is the API's own envelope of a refusal, with this sentence and no other."""
    api = apis.load(operation.api)
    group, _ = api.operations[operation.name]
    render = api.apps[group].render
    status, body = render(refusals.SAMPLES["forbidden"], answer["multiValueHeaders"]["X-Request-Id"][0])
    found = json.loads(answer["body"])
    told, expected = (each["messages"][0] if "messages" in each else each["error"] for each in (found, body))
    message = told.pop("message")
    del expected["message"]
    assert (answer["statusCode"], found, message.removesuffix(".")) == (status, body, sentence)


# ---------------------------------------------------------------- keys of another project


@pytest.mark.parametrize("operation", OF_THE_ACCOUNT, ids=str)
def test_a_key_of_a_project_is_refused_what_is_the_account_s(world: World, operation: Operation) -> None:
    caller = tenants.bound(world.own)
    check_forbidden(operation, send(operation, caller, world.own.of), "This API key is for one project only")
    check_untouched(world, caller)


@pytest.mark.parametrize("operation", [each for each in GUARDED if each not in OF_THE_ACCOUNT], ids=str)
def test_to_a_key_of_another_project_all_of_this_one_is_absent(world: World, operation: Operation) -> None:
    if operation.name == "create_project":
        caller = tenants.bound(world.own)
        check_forbidden(operation, send(operation, caller, world.own.of), "This API key is for one project only")
    else:
        check_alike(world, operation, tenants.bound(world.own), world.own.of, world.own.of | tenants.absent())


# ---------------------------------------------------------------- the same request again


@each_post
def test_a_repeated_call_has_no_second_effect_and_gets_the_first_answer(
    world: World, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = once(world, operation)
    assert succeeded(first), first["body"]
    effect = tenants.stored(world.pipeline)
    check_replayed(first, once(world, operation))
    check_unchanged(world, effect)
    look_too_early(monkeypatch)
    check_replayed(first, once(world, operation))
    check_unchanged(world, effect, but=LEFT_TO_EXPIRE.get(str(operation)))


def look_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call looks for an answer before the first call has one, and does all the rest after it."""
    find, looks = store.get, []

    def look(*arguments: Any, **named: Any) -> Any:
        looks.append(arguments)
        return None if len(looks) == 1 else find(*arguments, **named)

    monkeypatch.setattr(store, "get", look)


def once(world: World, operation: Operation) -> dict[str, Any]:
    return send(operation, world.own.caller, world.own.of, headers={"Idempotency-Key": "once"})


def check_replayed(first: dict[str, Any], again: dict[str, Any]) -> None:
    assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]


def check_unchanged(world: World, effect: tenants.Stored, *, but: str | None = None) -> None:
    """That nothing was written since, but the count of the caller's requests, and new things of a kind that expire."""
    of = tenants.partition(world.own.caller)
    before = {key: item for key, item in effect.items() if key[0] != f"{of}usage"}
    after = tenants.stored(world.pipeline, counts_of=world.own.caller)
    left = {key for key in after.keys() - before.keys() if key[0] == f"{of}{but}" and "expires" in after[key]}
    assert {key: item for key, item in after.items() if key not in left} == before
