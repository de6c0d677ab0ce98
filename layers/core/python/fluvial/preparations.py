"""Preparations: a recipe over named inputs, executed when asked (`executions`), with a dataset as its output.

created ──execute──> executing ──finish──> completed    event preparation.completed
                       ^  ^ │ ─────fail──> failed       event preparation.failed
                       │  │ '────cancel──> cancelled    event preparation.failed
                       '──┴─ execute, again, from completed, failed and cancelled

It belongs to the account, its output to a project. The output is made with the first execution and stays when the
preparation goes. What is changed of a preparation shows with its next execution; while one is under way inputs, recipe
and output cannot be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fluvial import clock, dataset_versions, datasets, events, ids, projects, steps
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.pages import check_revision
from fluvial.paging import Listed
from fluvial.step_sources import check_inputs, check_names
from fluvial.step_values import name_of
from fluvial.store import datasets as stored_datasets
from fluvial.store import preparations as store
from fluvial.text import checked_line, checked_text

MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 2_000
CREATE_ATTEMPTS = 3
CREATED, EXECUTING, COMPLETED, FAILED, CANCELLED = "created", "executing", "completed", "failed", "cancelled"
# Recipes show rows, in previews and by their output, so a key that may not read them makes none.
NEEDED_SCOPE = "data:read"
FIELDS = ("name", "description", "inputs", "recipe", "output")


@dataclass(frozen=True, slots=True)
class Input:
    """What a recipe calls by a name: a dataset, at its current version unless one is named."""

    dataset: int
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """How the output is to be made: its name (None: the preparation's), its project (None: the account's default)."""

    name: str | None = None
    project: int | None = None


@dataclass(frozen=True, slots=True)
class Preparation:
    """Times in milliseconds; `revision` grows by one with each change, also with those that an execution makes.

    `status` and what follows it tell of the last execution: its job, when it ended, the version that the output had
    then, its rows, whether it was recognised as made already (`same`), or the `failure`. `output` is a dataset, once
    there is one; until then it is to be made by this name (None: the preparation's), in this project (None: the
    account's default).
    """

    id: int
    account: int
    name: str
    description: str | None
    inputs: dict[str, Input]
    recipe: dict[str, Any]
    created: int
    updated: int
    output_name: str | None = None
    output_project: int | None = None
    revision: int = 1
    output: int | None = None
    status: str = CREATED
    job: int | None = None
    ended: int | None = None
    version: int | None = None
    rows: int | None = None
    same: bool | None = None
    failure: str | None = None

    @property
    def title(self) -> str:
        """What its output is called when it is made."""
        return self.output_name or self.name

    def described(self) -> dict[str, Any]:
        """The preparation as events show it: without the recipe, which may be long."""
        described: dict[str, Any] = {
            "id": ids.spell(ids.PREPARATION, self.id),
            "name": self.name,
            "description": self.description,
            "data_id": None if self.output is None else ids.spell(ids.DATASET, self.output),
            "status": self.status,
            "job_id": None if self.job is None else ids.spell(ids.JOB, self.job),
            "data_version": self.version,
            "rows": self.rows,
            "same": self.same,
            "created_at": clock.iso(self.created),
            "updated_at": clock.iso(self.updated),
            "ended_at": None if self.ended is None else clock.iso(self.ended),
        }
        if self.failure is not None:
            described["failure"] = {"reason": self.failure}
        return described


@dataclass(frozen=True, slots=True)
class Change:
    """New values of a preparation's fields; fields that are not `given` (of FIELDS) stay."""

    given: frozenset[str]
    name: str | None = None
    description: str | None = None
    inputs: Mapping[str, Input] | None = None
    recipe: object = None
    output: Output | None = None

    def apply(self, preparation: Preparation) -> Preparation:
        """The changed preparation; InvalidError for a value that it cannot have. Inputs are not looked at."""
        if not self.given:
            raise InvalidError(None, "Give at least one field to change.", constraint=", ".join(FIELDS))
        changed = preparation
        if "name" in self.given:
            if self.name is None:
                raise InvalidError("name", "'name' must not be null.", constraint=f"1-{MAX_NAME_LENGTH} characters")
            changed = replace(changed, name=checked_line("name", self.name, MAX_NAME_LENGTH))
        if "description" in self.given:
            changed = replace(changed, description=_checked_description(self.description))
        if "inputs" in self.given:
            changed = replace(changed, inputs=_checked_inputs(self.inputs or {}))
        if "recipe" in self.given:
            changed = replace(changed, recipe=steps.parse(self.recipe).to_json())
        if "output" in self.given:
            output = _checked_output(self.output)
            changed = replace(changed, output_name=output.name, output_project=output.project)
        return changed


def create(
    caller: Caller,
    *,
    name: str,
    inputs: Mapping[str, Input],
    recipe: object,
    description: str | None = None,
    output: Output | None = None,
    once: Once[Preparation] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Preparation:
    """Makes a preparation, with its event `preparation.created`; it is not executed yet.

    If the rows of all inputs can be read already, names, columns and types are checked against them now, else when it
    is executed. NotFoundError for an input that is absent or foreign, ForbiddenError for a key that may not read data.
    """
    caller.require(NEEDED_SCOPE)
    moment = now()
    wanted = _checked_output(output)
    preparation = Preparation(
        id=0,
        account=caller.account,
        name=checked_line("name", name, MAX_NAME_LENGTH),
        description=_checked_description(description),
        inputs=_checked_inputs(inputs),
        recipe=steps.parse(recipe).to_json(),
        created=moment,
        updated=moment,
        output_name=wanted.name,
        output_project=wanted.project,
    )
    _check_fit(caller, preparation.inputs, preparation.recipe)
    _check_project(caller, preparation)
    for _ in range(CREATE_ATTEMPTS):
        preparation = replace(preparation, id=new_id())
        event = events.happened(caller.account, "preparation.created", preparation.described(), at=moment)
        if store.create(preparation, event, guard(once, preparation)):
            return preparation
    raise RuntimeError("no free id was found for a preparation")


def get(caller: Caller, preparation_id: int, *, field: str | None = None) -> Preparation:
    """The preparation; NotFoundError where it is absent or foreign, and to a key of one project, which it is not of."""
    preparation = store.get(caller.account, preparation_id) if caller.project is None else None
    if preparation is None:
        raise NotFoundError("preparation", preparation_id, field=field)
    return preparation


def behind(caller: Caller, after: int | None, *, limit: int) -> Listed[Preparation]:
    """At most `limit` of the account's preparations behind the one with the id `after`, newest first."""
    # One more than wanted tells whether anything follows.
    items = store.behind(caller.account, after, limit=limit + 1)
    return Listed(items[:limit], len(items) > limit, store.total(caller.account))


def update(
    caller: Caller,
    preparation_id: int,
    change: Change,
    *,
    expected: int | None = None,
    once: Once[Preparation] | None = None,
    now: clock.Now = clock.now,
) -> Preparation:
    """Changes the given fields, with the event `preparation.updated`. Of two writers at once, neither change is lost.

    StaleError where it is no longer at the revision that is `expected`. ConflictError for what an execution that is
    under way goes by, and for the output once it is there; ForbiddenError for a key that may not read data.
    """
    caller.require(NEEDED_SCOPE)
    for _ in attempts(f"preparation {preparation_id}"):
        preparation = get(caller, preparation_id)
        check_revision("preparation", preparation.revision, expected)
        changed = change.apply(preparation)
        _check_change(caller, preparation, changed)
        changed = replace(changed, updated=max(now(), preparation.updated), revision=preparation.revision + 1)
        event = events.happened(caller.account, "preparation.updated", changed.described(), at=changed.updated)
        if store.update(changed, event, guard(once, changed)):
            return changed
    raise AssertionError("unreachable: attempts end with an error")


def delete(caller: Caller, preparation_id: int, *, expected: int | None = None, now: clock.Now = clock.now) -> None:
    """Removes the preparation, with the event `preparation.deleted`. Its output stays; an execution is called off.

    Its reports and the list of its executions are swept soon after.
    """
    for _ in attempts(f"preparation {preparation_id}"):
        preparation = get(caller, preparation_id)
        check_revision("preparation", preparation.revision, expected)
        event = events.happened(caller.account, "preparation.deleted", preparation.described(), at=now())
        if store.delete(preparation, event):
            return


def readable(caller: Caller, name: str, wanted: Input) -> datasets.Dataset:
    """The dataset of an input as it is at its version; ConflictError where that has no rows.

    NotFoundError for one that is absent or foreign, with the input as its field.
    """
    try:
        return dataset_versions.readable(caller, wanted.dataset, wanted.version)
    except NotFoundError as error:
        raise _named(error, name) from error
    except ConflictError as error:
        raise ConflictError(f"The input '{name}' cannot be read: {error}", field=f"inputs.{name}") from error


def sweep(account_id: int, preparation_id: int) -> None:
    """Removes what a deleted preparation leaves behind. Safe to repeat."""
    store.forget(account_id, preparation_id)


def _check_change(caller: Caller, before: Preparation, changed: Preparation) -> None:
    same_work = (before.inputs, before.recipe) == (changed.inputs, changed.recipe)
    same_output = (before.output_name, before.output_project) == (changed.output_name, changed.output_project)
    if before.status == EXECUTING and not (same_work and same_output):
        reason = "Inputs, recipe and output cannot be changed while the preparation is executed: wait until that ends."
        raise ConflictError(reason)
    if not same_work:
        _check_fit(caller, changed.inputs, changed.recipe)
    if not same_output:
        if before.output is not None and stored_datasets.get(before.account, before.output) is not None:
            raise ConflictError("The output is there already: change it as data, by its own id.", field="output")
        _check_project(caller, changed)


def _check_fit(caller: Caller, inputs: Mapping[str, Input], recipe: Mapping[str, Any]) -> None:
    """InvalidError where the recipe does not fit the inputs, as far as these can be read by now."""
    parsed = steps.parse(recipe)
    check_names(parsed, inputs)
    columns: dict[str, list[dict[str, Any]]] = {}
    for name, each in inputs.items():
        manifest = datasets.manifest(_found(caller, name, each))
        if manifest is not None:
            columns[name] = manifest["columns"]
    if len(columns) == len(inputs):
        # It opens the engine, which only those functions have that judge recipes.
        from fluvial import recipes

        recipes.check(parsed, columns)


def _found(caller: Caller, name: str, wanted: Input) -> datasets.Dataset:
    """The dataset of an input, with rows or without; of a version that is named, as it is there."""
    if wanted.version is not None:
        return readable(caller, name, wanted)
    try:
        return datasets.get(caller, wanted.dataset)
    except NotFoundError as error:
        raise _named(error, name) from error


def _named(error: NotFoundError, name: str) -> NotFoundError:
    """The error with the input as its field."""
    field = f"inputs.{name}" if error.kind == "dataset" else f"inputs.{name}.version"
    return NotFoundError(error.kind, error.name, field=field)


def _check_project(caller: Caller, preparation: Preparation) -> None:
    if preparation.output_project is not None:
        projects.get(caller, preparation.output_project, field="output.project")


def _checked_inputs(inputs: Mapping[str, Input]) -> dict[str, Input]:
    check_inputs(inputs)
    return {name_of(f"inputs.{name}", name): each for name, each in inputs.items()}


def _checked_output(output: Output | None) -> Output:
    if output is not None and output.name is not None:
        checked_line("output.name", output.name, MAX_NAME_LENGTH)
    return output or Output()


def _checked_description(description: str | None) -> str | None:
    return None if description is None else checked_text("description", description, MAX_DESCRIPTION_LENGTH)
