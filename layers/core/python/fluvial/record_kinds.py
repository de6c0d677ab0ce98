"""How projects, data sources, analyses and pages are spelled as records, and which functions of the core keep them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fluvial import analyses, clock, datasets, pages, projects, record_changes, records
from fluvial.caller import Caller
from fluvial.errors import InvalidError, RecordInvalidError
from fluvial.paging import Order
from fluvial.record_values import Value

if TYPE_CHECKING:
    from fluvial.records import Record

AT_ONCE = 100  # things of one read of a list
FIXED = "cannot be changed once it is made"

Values = Mapping[str, Value]
Given = frozenset[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One class: `scope` is the part of its scopes before the colon. Without `create` its things are made elsewhere.

    `names` are its fields by the names that the core's refusals give them, where these differ. `update` takes the
    values as they shall be, and the names of those that change.
    """

    scope: str
    record: Callable[[Any], Record]
    get: Callable[[Caller, int], Any]
    all: Callable[[Caller], Iterable[Any]]
    create: Callable[..., Any] | None
    update: Callable[..., Any]
    delete: Callable[..., None]
    names: Mapping[str, str] = field(default_factory=dict)


def with_query_as_text(given: object) -> object:
    """A query may come as an object, too, as in the other APIs."""
    if isinstance(given, Mapping) and isinstance(given.get("query"), Mapping):
        return {**given, "query": json.dumps(given["query"], ensure_ascii=False, default=_plain)}
    return given


def _plain(value: object) -> object:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is no value of JSON")
    return _exact(str(value))


def _exact(text: str) -> float:
    """The number, if a 64-bit float keeps all its digits; else it would change silently."""
    number = float(text)
    if Decimal(text) != Decimal(repr(number)):
        raise InvalidError("query", f"has the number {text[:60]}, of more digits than a float keeps: send it as text")
    return number


def _maybe_number(values: Values, name: str) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) else None


def _query(values: Values) -> object:
    text = _text(values, "query")
    try:
        return None if text is None else json.loads(text, parse_float=_exact)
    except ValueError as error:
        raise InvalidError("query", f"must be a query as JSON: {error}") from error


def _record(model: str, thing: Any, values: Mapping[str, Value | None], *, revision: int) -> Record:
    given = {name: value for name, value in values.items() if value is not None}
    return records.Record(thing.id, thing.account, model, thing.created, thing.updated, None, None, given, revision)


def _text(values: Values, name: str) -> str | None:
    value = values.get(name)
    return None if value is None else str(value)


def _number(values: Values, name: str) -> int:
    """A relation that the class requires."""
    value = values.get(name)
    if not isinstance(value, int):
        raise InvalidError(name, record_changes.REQUIRED)
    return value


def _project(project: projects.Project) -> Record:
    values = {
        "name": project.name,
        "slug": project.slug,
        "description": project.description,
        "industry": project.industry,
        "status": project.status,
    }
    return _record("project", project, values, revision=project.revision)


def _all_projects(caller: Caller) -> Iterator[projects.Project]:
    after = None
    while True:
        found = projects.behind(caller, after, limit=AT_ONCE)
        yield from found.items
        if not found.has_more:
            return
        after = found.items[-1].id


def _create_project(caller: Caller, values: Values, **named: Any) -> projects.Project:
    return projects.create(
        caller,
        name=_text(values, "name") or "",
        slug=_text(values, "slug"),
        description=_text(values, "description"),
        industry=_text(values, "industry"),
        **named,
    )


def _update_project(
    caller: Caller, record_id: int, values: Values, given: Given, *, now: clock.Now
) -> projects.Project:
    change = projects.Change(
        given,
        name=_text(values, "name"),
        slug=_text(values, "slug"),
        description=_text(values, "description"),
        industry=_text(values, "industry"),
    )
    return projects.update(caller, record_id, change, now=now)


def _data_source(dataset: datasets.Dataset) -> Record:
    values = {
        "name": dataset.title,
        "description": dataset.description,
        "project_id": dataset.project,
        "filename": dataset.filename or None,
        "size": dataset.size,
        "status": dataset.status,
        "rows": dataset.rows,
        "rejected_rows": dataset.rejected,
        "version": dataset.version,
        "failure": dataset.failure,
    }
    return _record("data_source", dataset, values, revision=1)


def _all_data_sources(caller: Caller) -> Iterator[datasets.Dataset]:
    after: int | None = None
    while True:
        found = datasets.behind(caller, after, limit=AT_ONCE)
        yield from found.items
        if found.next is None:
            return
        after = found.next


def _update_data_source(
    caller: Caller, record_id: int, values: Values, given: Given, *, now: clock.Now
) -> datasets.Dataset:
    _refuse_fixed(given, "project_id")
    texts = {name: _text(values, name) or "" for name in given}
    return datasets.update(caller, record_id, datasets.Change(**texts), now=now)


def _analysis(analysis: analyses.Analysis) -> Record:
    values = {
        "name": analysis.name,
        "description": analysis.description,
        "project_id": analysis.project,
        "data_source_id": analysis.dataset,
        "query": json.dumps(analysis.query, ensure_ascii=False),
        "status": analysis.status,
        "rows": analysis.rows,
        "ran_at": analysis.ran,
        "failure": analysis.failure,
    }
    return _record("analysis", analysis, values, revision=analysis.revision)


def _all_analyses(caller: Caller) -> Iterator[analyses.Analysis]:
    for project in _all_projects(caller):
        offset, total = 0, 1
        while offset < total:
            found = analyses.page(caller, project.id, Order(), offset=offset, limit=AT_ONCE)
            yield from found.items
            offset, total = offset + AT_ONCE, found.total


def _create_analysis(caller: Caller, values: Values, **named: Any) -> analyses.Analysis:
    return analyses.create(
        caller,
        project_id=_number(values, "project_id"),
        name=_text(values, "name") or "",
        dataset_id=_number(values, "data_source_id"),
        query=_query(values),
        description=_text(values, "description"),
        **named,
    )


def _update_analysis(
    caller: Caller, record_id: int, values: Values, given: Given, *, now: clock.Now
) -> analyses.Analysis:
    _refuse_fixed(given, "project_id", "data_source_id")
    query = _query(values) if "query" in given else None
    change = analyses.Change(given, _text(values, "name"), _text(values, "description"), query)
    return analyses.update(caller, record_id, change, now=now)


def _page(page: pages.Page) -> Record:
    values: dict[str, Value | None] = {
        "title": page.title,
        "slug": page.slug,
        "path": page.path,
        "project_id": page.project,
        "parent_id": page.parent,
        "status": page.status,
        "order": page.order,
        "seo_title": page.seo.title,
        "seo_description": page.seo.description,
    }
    return _record("page", page, values, revision=page.revision)


# Fields of a page that the core calls otherwise.
_PAGE_NAMES = {"seo_title": "seo", "seo_description": "seo"}


def _all_pages(caller: Caller) -> Iterator[pages.Page]:
    for project in _all_projects(caller):
        after = None
        while True:
            found = pages.page(caller, project.id, after=after, limit=AT_ONCE)
            yield from found.items
            if not found.has_more:
                break
            after = found.items[-1].id


def _create_page(caller: Caller, values: Values, **named: Any) -> pages.Page:
    return pages.create(
        caller,
        project_id=_number(values, "project_id"),
        title=_text(values, "title") or "",
        slug=_text(values, "slug"),
        parent_id=_maybe_number(values, "parent_id"),
        order=_maybe_number(values, "order"),
        status=_text(values, "status") or pages.DRAFT,
        seo=_seo(values),
        **named,
    )


def _update_page(caller: Caller, record_id: int, values: Values, given: Given, *, now: clock.Now) -> pages.Page:
    _refuse_fixed(given, "project_id")
    change = pages.Change(
        frozenset(_PAGE_NAMES.get(name, name) for name in given),
        title=_text(values, "title"),
        slug=_text(values, "slug"),
        parent_id=_maybe_number(values, "parent_id"),
        order=_maybe_number(values, "order"),
        status=_text(values, "status"),
        seo=_seo(values),
    )
    return pages.update(caller, record_id, change, now=now)


def _seo(values: Values) -> pages.Seo:
    return pages.Seo(_text(values, "seo_title"), _text(values, "seo_description"))


def _refuse_fixed(given: Given, *names: str) -> None:
    problems = {name: [FIXED] for name in names if name in given}
    if problems:
        raise RecordInvalidError(problems)


KINDS = {
    "project": Kind(
        "projects", _project, projects.get, _all_projects, _create_project, _update_project, projects.delete
    ),
    "data_source": Kind(
        "data", _data_source, datasets.get, _all_data_sources, None, _update_data_source, datasets.delete
    ),
    "analysis": Kind(
        "analyses",
        _analysis,
        analyses.get,
        _all_analyses,
        _create_analysis,
        _update_analysis,
        analyses.delete,
        {"data_id": "data_source_id", "dataset_id": "data_source_id"},
    ),
    "page": Kind(
        "pages",
        _page,
        pages.get,
        _all_pages,
        _create_page,
        _update_page,
        pages.delete,
        {"seo": "seo_title"},
    ),
}
