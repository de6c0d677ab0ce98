"""Every POST of every API again under one Idempotency-Key, later and at the same time: one effect, one answer."""

from __future__ import annotations

from typing import Any

import pytest

from fluvial.store import idempotency as store
from tests.isolation import tenants
from tests.isolation.conftest import World
from tests.isolation.documents import Operation, operations
from tests.isolation.tenants import send

each_post = pytest.mark.parametrize("operation", [each for each in operations() if each.method == "POST"], ids=str)


@each_post
def test_a_repeated_call_has_no_second_effect_and_gets_the_first_answer(
    world: World, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = once(world, operation)
    assert first["statusCode"] < 400, first["body"]
    effect = tenants.stored(world.pipeline)
    check_replayed(first, once(world, operation))
    check_unchanged(world, effect)
    look_too_early(monkeypatch)
    check_replayed(first, once(world, operation))
    check_unchanged(world, effect)


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


def check_unchanged(world: World, effect: tenants.Stored) -> None:
    """That nothing was written since, but the count of the caller's requests."""
    counted = f"{tenants.partition(world.own.caller)}usage"
    before = {key: item for key, item in effect.items() if key[0] != counted}
    assert tenants.stored(world.pipeline, counts_of=world.own.caller) == before
