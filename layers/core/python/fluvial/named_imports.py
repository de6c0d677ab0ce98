"""Imports into data that a caller names by its id or its name, or that is made because there is none.

    id given ───────────────── the data with this id                                ┐
    name of data in a project  the data with this name: the newest where it is one  ├─ a further import of it
    any other name, or none    new data, with this import as its first              ┘

One name stands for one: where several have it, the caller has to say which. Two that make data of a new name at once
make one, and the other goes into it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from fluvial import clock, dataset_versions, datasets, ids, imports, projects
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.dataset_versions import Version
from fluvial.datasets import Dataset
from fluvial.errors import ConflictError, InvalidError, TooLargeError
from fluvial.idempotency import Once
from fluvial.imports import Import
from fluvial.store import datasets as store
from fluvial.text import checked_line

MODES = ("append", "replace", "upsert")

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be imported, and where to. `field` is what a request calls `data`.

    Without a `mode` it is append: what was sent before stays, also where a large import comes in several requests
    under one name. `silent`: nobody is told of its events.
    """

    data: bytes | memoryview
    filename: str
    field: str
    format: str | None = None
    dataset: int | None = None
    project: int | None = None
    name: str | None = None
    description: str | None = None
    mode: str | None = None
    key: list[str] | None = None
    drift: str | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """The dataset, and the version that the import is going to be."""

    dataset: Dataset
    version: Version


def bring(
    caller: Caller,
    wanted: Wanted,
    *,
    once: Once[Imported] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Imported:
    """Records the import; a worker makes it.

    NotFoundError for an id or a project that is absent; ConflictError for a name that several have, and while the
    data is being imported; TooLargeError for more than one request takes.
    """
    limit = settings().max_inline_bytes
    if len(wanted.data) > limit:
        reason = f"'{wanted.field}' must have at most {limit} bytes in one request, not {len(wanted.data)}."
        raise TooLargeError(reason, field=wanted.field, limit_bytes=limit)
    if wanted.mode is not None and wanted.mode not in MODES:
        choice = ", ".join(MODES)
        raise InvalidError("mode", f"'mode' must be one of {choice}.", value=wanted.mode, constraint=choice)
    if wanted.dataset is not None:
        if wanted.project is not None:
            caller = caller.within(wanted.project)
        return _into(caller, wanted.dataset, wanted, once, now, new_id)
    if wanted.project is None:
        project = projects.default(caller, now=now, new_id=new_id)
    else:
        project = projects.get(caller, wanted.project, field="project_id")
    for _ in attempts(f"the name of an import in project {project.id}"):
        reserved, found = _called(caller, project.id, wanted.name)
        if found is not None:
            return _into(caller, found, wanted, once, now, new_id)
        try:
            return _new(caller, project.id, wanted, reserved, once, now, new_id)
        except datasets.OvertakenError:
            continue
    raise AssertionError("unreachable: attempts end with an error")


def _called(caller: Caller, project_id: int, name: str | None) -> tuple[int | None, int | None]:
    """Who reserved the name last, and the dataset that has it; None for none."""
    if name is None:
        return None, None
    checked_line("name", name, datasets.MAX_NAME_LENGTH)
    reserved = store.reserved(caller.account, project_id, name)
    found = {dataset.id for dataset in store.called(caller.account, project_id, name)}
    if reserved is not None:
        newest = store.get(caller.account, reserved)
        if newest is not None and (newest.project, newest.title) == (project_id, name):
            found.add(reserved)
    if len(found) > 1:
        reason = f"There are {len(found)} imports called '{name[:100]}': say which one by its 'id'."
        raise ConflictError(reason, field="name")
    return reserved, next(iter(found), None)


def _into(
    caller: Caller,
    dataset_id: int,
    wanted: Wanted,
    once: Once[Imported] | None,
    now: clock.Now,
    new_id: ids.NewId,
) -> Imported:
    dataset = datasets.get(caller, dataset_id)
    said = datasets.Change(name=wanted.name, description=wanted.description)
    described = dataset if said == datasets.Change() else said.apply(dataset)
    # One without rows, for its first import failed, has nothing that others could be appended to.
    mode = wanted.mode or ("append" if dataset.location else "replace")
    version = imports.add(
        caller,
        dataset_id,
        Import(mode, wanted.key, wanted.drift),
        filename=wanted.filename,
        data=wanted.data,
        format=wanted.format,
        said=None if described == dataset else said,
        silent=wanted.silent,
        once=_shown_as(once, lambda version: Imported(described, version)),
        now=now,
        new_id=new_id,
    )
    return Imported(described, version)


def _new(
    caller: Caller,
    project_id: int,
    wanted: Wanted,
    reserved: int | None,
    once: Once[Imported] | None,
    now: clock.Now,
    new_id: ids.NewId,
) -> Imported:
    if wanted.mode in imports.KEYED:
        reason = "There are no rows yet to upsert into: send the first ones with the mode 'append' or 'replace'."
        raise ConflictError(reason, field="mode")
    if wanted.key:
        raise InvalidError("key", "'key' means nothing to a new import: only 'upsert' goes by it.", value=wanted.key)
    name = wanted.name

    def reservation(dataset: Dataset) -> Any:
        return store.reservation(dataset, str(name), before=reserved)

    def shown(dataset: Dataset) -> Imported:
        return Imported(dataset, dataset_versions.first(dataset, caller.user))

    dataset = datasets.receive(
        caller,
        project_id=project_id,
        filename=wanted.filename,
        data=wanted.data,
        name=name,
        format=wanted.format,
        description=wanted.description,
        drift=wanted.drift,
        silent=wanted.silent,
        guarded=None if name is None else reservation,
        once=_shown_as(once, shown),
        now=now,
        new_id=new_id,
    )
    return shown(dataset)


def _shown_as(once: Once[Imported] | None, imported: Callable[[Made], Imported]) -> Once[Made] | None:
    """The request, for what is made of it at first."""
    if once is None:
        return None
    show = once.show
    return cast(Once[Made], replace(cast(Any, once), show=lambda made: show(imported(made))))
