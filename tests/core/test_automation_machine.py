"""The machine of a run, without AWS: whatever dies, repeats or races, each step's job is started once, and it ends."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial import automation_machine as machine
from fluvial import automation_steps, clock
from fluvial.automation_machine import Run
from fluvial.automation_steps import Step

NOW = 1_790_000_000_000


def run_of(steps: Sequence[dict[str, Any]], given: dict[str, Any] | None = None) -> Run:
    return machine.begin(
        automation_steps.parse(list(steps)),
        id=1,
        account=2,
        automation=3,
        name="A",
        trigger={"type": "api"},
        input=given or {},
        by=4,
        role="owner",
        scopes=("*",),
        chain=(3,),
        created=NOW,
        updated=NOW,
        job=5,
    )


def job_step(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "run_analysis", "analysis": 9, **more}


class World:
    """What is stored, what was started under which key, and what becomes of each job; several drivers act on it.

    A driver does one atomic thing at a time: a read, a store if nobody stored since, a start under a key. It may be
    gone after any of them, and another begins anew.
    """

    def __init__(self, run: Run, outcomes: dict[tuple[int, int], bool]) -> None:
        self.run = run
        self.outcomes = outcomes
        self.jobs: dict[str, int] = {}
        self.begun: Counter[str] = Counter()
        self.ends = 0
        self.now = NOW

    def start(self, key: str) -> int:
        """As `automation_actions.start`: under one key there is one job."""
        if key not in self.jobs:
            self.begun[key] += 1
            self.jobs[key] = len(self.jobs) + 100
        return self.jobs[key]

    def store(self, before: Run, after: Run) -> bool:
        if self.run.revision != before.revision:
            return False
        self.run = replace(after, revision=before.revision + 1)
        if after.status in machine.ENDED and before.status not in machine.ENDED:
            self.ends += 1
        return True

    def succeeds(self, key: str) -> bool:
        _, position, attempt = key.split(":")
        return self.outcomes.get((int(position), int(attempt)), True)


def drive(world: World, steps: int) -> Any:
    """One driver: yields after each atomic thing, where it may be gone or another may come first."""
    for _ in range(steps):
        run = world.run
        yield
        if run.status in machine.ENDED:
            return
        if run.status == "queued":
            world.store(run, machine.begun(run, world.now))
            yield
            continue
        advanced = machine.advance(run, world.now)
        if advanced != run:
            world.store(run, advanced)
            yield
            continue
        wanted = machine.wants(run, world.now)
        assert wanted is not None
        if wanted.what == "wait":
            world.now += wanted.seconds * clock.SECOND
            yield
            continue
        if wanted.what == "start":
            job = world.start(wanted.key)
            yield
            told = machine.started(run, job)
        elif world.succeeds(wanted.key):
            told = machine.succeeded(run, {"rows": 1}, world.now)
        else:
            told = machine.failed(run, "It did not work.", world.now)
        world.store(run, machine.advance(told, world.now))
        yield


STEPS = st.lists(
    st.one_of(
        st.builds(
            lambda retries: {"type": "run_analysis", "analysis": 9, "retries": retries, "backoff_seconds": 7},
            st.integers(0, 5),
        ),
        st.builds(lambda seconds: {"type": "wait", "seconds": seconds}, st.integers(1, 10_000)),
        st.builds(
            lambda holding, then: {
                "type": "condition",
                "conditions": [{"value": "input.yes", "operator": "eq" if holding else "ne", "to": True}],
                "then": then,
                "else": "next",
            },
            st.booleans(),
            st.sampled_from(("next", "end")),
        ),
    ),
    min_size=1,
    max_size=7,
).map(lambda found: [{"name": f"s{number}", **each} for number, each in enumerate(found)])


@settings(max_examples=300, deadline=None)
@given(
    steps=STEPS,
    outcomes=st.dictionaries(st.tuples(st.integers(0, 6), st.integers(1, 6)), st.booleans(), max_size=20),
    seed=st.integers(0, 2**32),
    deaths=st.integers(0, 30),
    drivers=st.integers(1, 3),
)
def test_any_deaths_and_races_end_in_one_end_and_start_each_attempt_once(
    steps: list[dict[str, Any]], outcomes: dict[tuple[int, int], bool], seed: int, deaths: int, drivers: int
) -> None:
    chance = random.Random(seed)
    world = World(run_of(steps, {"yes": True}), outcomes)
    alive = [drive(world, 10_000) for _ in range(drivers)]
    for _ in range(20_000):
        at = chance.randrange(len(alive))
        if deaths and chance.random() < 0.2:
            deaths -= 1
            alive[at] = drive(world, 10_000)
            continue
        try:
            next(alive[at])
        except StopIteration:
            break
    run = world.run
    assert run.status in ("succeeded", "failed")
    assert world.ends == 1
    assert all(count == 1 for count in world.begun.values())

    # One driver that never dies, with the same outcomes, comes to the same.
    calm = World(run_of(steps, {"yes": True}), outcomes)
    for _ in drive(calm, 10_000):
        pass
    assert [state.status for state in run.states] == [state.status for state in calm.run.states]
    assert [state.attempts for state in run.states] == [state.attempts for state in calm.run.states]
    assert (run.status, run.error) == (calm.run.status, calm.run.error)
    assert set(world.jobs) >= set(calm.jobs)
    # What was started belongs to an attempt that was stored.
    assert len(world.jobs) == sum(
        state.attempts for step, state in zip(run.steps, run.states, strict=True) if step.type == "run_analysis"
    )


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_a_definition_comes_back_from_json_as_it_was(steps: list[dict[str, Any]]) -> None:
    parsed = automation_steps.parse(steps)
    assert automation_steps.parse([step.to_json() for step in parsed]) == parsed


def test_retries_wait_twice_as_long_each_time() -> None:
    run = machine.advance(machine.begun(run_of([job_step("a", retries=3, backoff_seconds=10)]), NOW), NOW)
    now, pauses = NOW, []
    for _ in range(3):
        run = machine.failed(run, "No.", now)
        wanted = machine.wants(run, now)
        assert wanted is not None
        pauses.append(wanted.seconds)
        now += wanted.seconds * clock.SECOND
        run = machine.advance(run, now)
    assert pauses == [10, 20, 40]
    run = machine.failed(run, "No.", now)
    assert (run.status, run.error, run.states[0].attempts) == ("failed", "The step 'a' failed: No.", 4)


def test_a_resumed_run_keeps_what_was_done_and_has_its_retries_again() -> None:
    run = machine.advance(machine.begun(run_of([job_step("a"), job_step("b", retries=1)]), NOW), NOW)
    run = machine.advance(machine.succeeded(run, {"rows": 2}, NOW), NOW)
    run = machine.advance(machine.failed(run, "No.", NOW), NOW + clock.HOUR)
    run = machine.failed(run, "No.", NOW + clock.HOUR)
    assert run.status == "failed"
    again = machine.advance(machine.begun(machine.resumed(run, 77, NOW + clock.DAY), NOW + clock.DAY), NOW + clock.DAY)
    assert (again.attempt, again.job, again.position) == (2, 77, 1)
    assert again.states[0] == run.states[0]
    assert (again.states[1].status, again.states[1].attempts, again.states[1].failures) == ("running", 3, 0)
    wanted = machine.wants(again, NOW)
    assert wanted is not None
    assert wanted.key == "1:1:3"


def test_a_long_error_is_cut_and_says_so() -> None:
    run = machine.failed(machine.advance(machine.begun(run_of([job_step("a")]), NOW), NOW), "x" * 5_000, NOW)
    error = run.states[0].error
    assert error is not None
    assert (len(error), error[-1]) == (machine.MAX_ERROR_CHARACTERS, "…")


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("eq", 1, 1, True),
        ("eq", 1, 1.0, True),
        ("eq", True, 1, False),
        ("eq", "a", "b", False),
        ("ne", 1, 2, True),
        ("gt", 2, 1, True),
        ("gt", "b", "a", True),
        ("gt", "2", 1, False),
        ("gt", True, 0, False),
        ("gte", 1, 1, True),
        ("lt", 1, 2.5, True),
        ("lte", 3, 2, False),
        ("contains", "Bonn", "on", True),
        ("contains", [1, 2], 2, True),
        ("contains", [1], True, False),
        ("contains", 5, 5, False),
        ("in", "a", ["a", "b"], True),
        ("in", 1, [True], False),
        ("exists", None, None, True),
        ("absent", 1, None, False),
    ],
)
def test_conditions_compare_as_json_does(operator: str, left: object, right: object, expected: bool) -> None:
    to = {} if operator in automation_steps.EXISTS else {"to": right}
    condition = {"name": "c", "type": "condition", "conditions": [{"value": "input.a.b", "operator": operator, **to}]}
    run = run_of([condition], {"a": {"b": left}})
    (step,) = run.steps
    assert automation_steps.holds(step, lambda path: machine.look_up(run, path)) is expected


@pytest.mark.parametrize("operator", sorted({*automation_steps.OPERATORS, *automation_steps.EXISTS}))
def test_what_is_not_there_equals_nothing_and_has_no_order(operator: str) -> None:
    to = {} if operator in automation_steps.EXISTS else {"to": ["x"]}
    condition = {"name": "c", "type": "condition", "conditions": [{"value": "input.a.b", "operator": operator, **to}]}
    run = run_of([condition], {"a": 5})
    (step,) = run.steps
    found = automation_steps.holds(step, lambda path: machine.look_up(run, path))
    assert found is (operator in ("ne", "absent"))


def step_names(steps: Sequence[Step]) -> list[str]:
    return [step.name for step in steps]


def test_paths_lead_into_results_lists_and_how_a_step_ended() -> None:
    run = machine.advance(machine.begun(run_of([job_step("a"), job_step("b")], {"list": [{"x": 1}]}), NOW), NOW)
    run = machine.succeeded(run, {"rows": 7, "deep": {"er": [1, 2]}}, NOW)
    assert step_names(run.steps) == ["a", "b"]
    assert machine.look_up(run, "steps.a.rows") == (True, 7)
    assert machine.look_up(run, "steps.a.deep.er.1") == (True, 2)
    assert machine.look_up(run, "steps.a.status") == (True, "succeeded")
    assert machine.look_up(run, "steps.b.rows") == (False, None)
    assert machine.look_up(run, "input.list.0.x") == (True, 1)
    assert machine.look_up(run, "input.list.7.x") == (False, None)
