"""Analyses: a named query over one dataset of a project, run when asked, with a result that is kept.

created ──run──> queued ──claim──> running ──finish──> completed   event analysis.completed
   ^                ^                 '──────fail───> failed      event analysis.failed
   │                '── run, again, from completed and failed
   '── whenever the query is changed

The result of the last completed run stays readable while another runs, and when that fails. A run reads the version
of the dataset that is current when it begins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fluvial import blobs, clock, datasets, events, ids, jobs, projects, queries
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Order, Slice
from fluvial.store import analyses as store
from fluvial.store import jobs as stored_jobs
from fluvial.text import checked_line, checked_text

MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 2_000
ANALYSIS = "analysis"  # the kind of its jobs
UNDER_WAY = ("queued", "running")
SUMMARY = "result.json"  # under a result's location
PART_ROWS = 1_000  # of each part of a result but the last

CREATE_ATTEMPTS = 3
UPDATE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Analysis:
    """Times in milliseconds; `revision` grows by one with each change.

    `status` is created (the query as it is now was never run), queued, running, completed or failed. `job` is the
    last run. From `location` to `ran`, which is its time, they tell of the last completed run of this query: rows of
    the result, groups that there were, whether the query's own limit cut them, and rows and version of the dataset.
    `failure` says why the last run failed, for people.
    """

    id: int
    account: int
    project: int
    dataset: int
    name: str
    description: str | None
    query: dict[str, Any]
    created: int
    updated: int
    revision: int = 1
    status: str = "created"
    job: int | None = None
    location: str | None = None
    rows: int | None = None
    groups_total: int | None = None
    truncated: bool | None = None
    rows_scanned: int | None = None
    dataset_version: int | None = None
    ran: int | None = None
    failure: str | None = None

    def described(self) -> dict[str, Any]:
        """The analysis as events show it: without the query, which may be long."""
        described: dict[str, Any] = {
            "id": ids.spell(ids.ANALYSIS, self.id),
            "project_id": ids.spell(ids.PROJECT, self.project),
            "data_id": ids.spell(ids.DATASET, self.dataset),
            "name": self.name,
            "description": self.description,
            "status": self.status,
            "rows": self.rows,
            "groups_total": self.groups_total,
            "truncated": self.truncated,
            "rows_scanned": self.rows_scanned,
            "data_version": self.dataset_version,
            "created_at": clock.iso(self.created),
            "updated_at": clock.iso(self.updated),
            "ran_at": None if self.ran is None else clock.iso(self.ran),
        }
        if self.failure is not None:
            described["failure"] = {"reason": self.failure}
        return described


@dataclass(frozen=True, slots=True)
class Change:
    """New values of an analysis's fields; fields that are not `given` stay."""

    given: frozenset[str]
    name: str | None = None
    description: str | None = None
    query: object = None

    def apply(self, analysis: Analysis) -> Analysis:
        """The changed analysis; InvalidError for a value that it cannot have. A query's columns are not looked at."""
        if not self.given:
            raise InvalidError(None, "Give at least one field to change.", constraint="name, description, query")
        changed = analysis
        if "name" in self.given:
            if self.name is None:
                raise InvalidError("name", "'name' must not be null.", constraint=f"1-{MAX_NAME_LENGTH} characters")
            changed = replace(changed, name=checked_line("name", self.name, MAX_NAME_LENGTH))
        if "description" in self.given:
            changed = replace(changed, description=_checked_description(self.description))
        if "query" in self.given:
            query = queries.parse(self.query).to_json()
            if query != analysis.query:
                changed = _with_query(changed, query)
        return changed


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run found. `columns` are the types of the result's columns by name; its rows lie in numbered parts."""

    columns: dict[str, str]
    rows: int
    groups_total: int
    rows_scanned: int
    dataset_version: int

    @property
    def truncated(self) -> bool:
        """Whether the query's own limit left groups out; nothing else ever does."""
        return self.rows < self.groups_total

    def to_json(self) -> bytes:
        return json.dumps({**asdict(self), "part_rows": PART_ROWS}, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a result from `offset` on, as JSON values; `summary` is of the whole, `ran` when it was made.

    Values are spelled as a dataset's rows are, but that an integer may pass 64 bits: it is a sum, and exact.
    """

    items: list[dict[str, Any]]
    offset: int
    summary: Summary
    ran: int


def create(
    caller: Caller,
    *,
    project_id: int,
    name: str,
    dataset_id: int,
    query: object,
    description: str | None = None,
    once: Once[Analysis] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Analysis:
    """Makes an analysis, with its event `analysis.created`; it is not run yet.

    If the dataset's rows can be read already, the query's columns and values are checked against it now, else when
    it is run.
    """
    checked_line("name", name, MAX_NAME_LENGTH)
    parsed = queries.parse(query)
    projects.get(caller, project_id, field="project_id")
    _check_columns(parsed, _dataset(caller, project_id, dataset_id))
    moment = now()
    analysis = Analysis(
        id=0,
        account=caller.account,
        project=project_id,
        dataset=dataset_id,
        name=name,
        description=_checked_description(description),
        query=parsed.to_json(),
        created=moment,
        updated=moment,
    )
    for _ in range(CREATE_ATTEMPTS):
        analysis = replace(analysis, id=new_id())
        event = events.happened(caller.account, "analysis.created", analysis.described(), at=moment)
        outcome = store.create(analysis, event, guard(once, analysis))
        if outcome == "created":
            return analysis
        if outcome == "project_gone":
            raise NotFoundError("project", project_id, field="project_id")
    raise RuntimeError("no free id was found for an analysis")


def get(caller: Caller, analysis_id: int) -> Analysis:
    """The analysis; NotFoundError for an absent or foreign one, and one whose project is gone or out of reach."""
    analysis = store.get(caller.account, analysis_id)
    if analysis is None or not caller.reaches(analysis.project) or not store.project_exists(analysis):
        raise NotFoundError("analysis", analysis_id)
    if analysis.status == "queued" and analysis.job is not None:
        job = stored_jobs.get(analysis.account, analysis.job)
        if job is not None and job.state == "running":
            return replace(analysis, status="running")
    return analysis


def page(caller: Caller, project_id: int, order: Order, *, offset: int, limit: int) -> Slice[Analysis]:
    """The project's analyses from `offset` on."""
    projects.get(caller, project_id)
    total = store.total(caller.account, project_id)
    items = store.page(caller.account, project_id, order, skip=offset, limit=limit) if offset < total else []
    running = store.running(caller.account, [each.job for each in items if each.status == "queued" and each.job])
    return Slice(
        [replace(each, status="running") if each.job in running else each for each in items],
        offset,
        total,
    )


def update(caller: Caller, analysis_id: int, change: Change, *, now: clock.Now = clock.now) -> Analysis:
    """Changes the given fields, with the event `analysis.updated`. Of two writers at once, neither change is lost.

    ConflictError for another query while a run is under way: its result would answer a question nobody asks any more.
    """
    for _ in range(UPDATE_ATTEMPTS):
        analysis = get(caller, analysis_id)
        changed = change.apply(analysis)
        if changed.query != analysis.query:
            if analysis.status in UNDER_WAY:
                raise ConflictError("The query cannot be changed while the analysis runs: wait until it has ended.")
            _check_columns(queries.parse(changed.query), _found_dataset(caller, analysis.dataset))
        moment = max(now(), analysis.updated)
        changed = replace(changed, updated=moment, revision=analysis.revision + 1)
        event = events.happened(caller.account, "analysis.updated", changed.described(), at=moment)
        if store.update(_stored(changed), event):
            return changed
    raise RuntimeError(f"analysis {analysis_id} is changed by too many at once")


def delete(caller: Caller, analysis_id: int, *, now: clock.Now = clock.now) -> None:
    """Removes the analysis, with the event `analysis.deleted`; its bytes are swept soon after. A run is called off."""
    remove(get(caller, analysis_id), now=now)


def remove(analysis: Analysis, *, now: clock.Now = clock.now) -> None:
    """Removes an analysis, also one whose project is gone. Removing it twice is no error."""
    event = events.happened(analysis.account, "analysis.deleted", analysis.described(), at=now())
    store.delete(analysis, event)


def run(
    caller: Caller,
    analysis_id: int,
    *,
    once: Once[Analysis] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Analysis:
    """Records a run, which a worker does. ConflictError while another is under way."""
    for _ in range(UPDATE_ATTEMPTS):
        analysis = get(caller, analysis_id)
        if analysis.status in UNDER_WAY:
            raise ConflictError("The analysis is being run already: wait until that run has ended.")
        moment = max(now(), analysis.updated)
        queued = replace(
            analysis, status="queued", job=new_id(), failure=None, updated=moment, revision=analysis.revision + 1
        )
        job = jobs.Job(queued.job or 0, queued.account, ANALYSIS, {"analysis": queued.id}, moment)
        if store.queue(queued, job, guard(once, queued)):
            return queued
    raise RuntimeError(f"analysis {analysis_id} is changed by too many at once")


def result(caller: Caller, analysis_id: int, *, offset: int, limit: int) -> Result:
    """At most `limit` rows of the last completed run of the query as it is; past the end there are none.

    One read of the bucket for the summary, and one for each part of PART_ROWS rows that is touched. ConflictError
    where no run of this query was completed.
    """
    analysis = get(caller, analysis_id)
    if analysis.location is None or analysis.ran is None:
        raise ConflictError(_no_result(analysis))
    fields = json.loads(blobs.get(analysis.location + SUMMARY))
    part_rows = fields.pop("part_rows")
    summary, items = Summary(**fields), []
    end = min(offset + limit, summary.rows)
    for number in range(offset // part_rows, -(-end // part_rows)) if offset < end else ():
        lines = blobs.get(analysis.location + part_name(number)).splitlines()
        first = number * part_rows
        items += [json.loads(line) for line in lines[max(offset - first, 0) : end - first]]
    return Result(items, offset, summary, analysis.ran)


def part_name(number: int) -> str:
    """The name of a result's part under its location: one row as JSON on each line."""
    return f"part-{number:05d}.ndjson"


def finish(job: jobs.Job, analysis: Analysis, summary: Summary, *, location: str, now: clock.Now = clock.now) -> bool:
    """Points the analysis at the result that the job made; False where the analysis or the job's lease is gone."""
    found = {
        "status": "completed",
        "location": location,
        "rows": summary.rows,
        "groups_total": summary.groups_total,
        "truncated": summary.truncated,
        "rows_scanned": summary.rows_scanned,
        "dataset_version": summary.dataset_version,
        "failure": None,
    }
    return _end(job, analysis, found, state="succeeded", now=now)


def fail(
    job: jobs.Job,
    analysis: Analysis,
    reason: str,
    *,
    state: jobs.Unfinished = "failed",
    now: clock.Now = clock.now,
) -> bool:
    """Ends analysis and job as failed; False where the analysis or the job's lease is gone. An older result stays.

    `state` is the job's: one that was called off is cancelled.
    """
    return _end(job, analysis, {"status": "failed", "failure": reason}, state=state, now=now)


def _end(job: jobs.Job, analysis: Analysis, found: Mapping[str, Any], *, state: str, now: clock.Now) -> bool:
    current: Analysis | None = analysis
    for _ in range(UPDATE_ATTEMPTS):
        if current is None or current.job != job.id or current.status != "queued":
            return False
        moment = max(now(), current.updated)
        ran = moment if found["status"] == "completed" else current.ran
        ended = replace(current, **found, ran=ran, updated=moment, revision=current.revision + 1)
        event = events.happened(ended.account, f"analysis.{ended.status}", ended.described(), at=moment)
        outcome = store.end_run(job, ended, event, state=state, now=moment)
        if outcome != "changed":
            return outcome == "ended"
        # Its name was changed meanwhile, or it was deleted.
        current = store.get(analysis.account, analysis.id)
    raise RuntimeError(f"analysis {analysis.id} is changed by too many at once")


def _with_query(analysis: Analysis, query: dict[str, Any]) -> Analysis:
    """The analysis with another query, without the result of the old one. Its bytes go with the next run."""
    return replace(
        analysis,
        query=query,
        status="created",
        location=None,
        rows=None,
        groups_total=None,
        truncated=None,
        rows_scanned=None,
        dataset_version=None,
        ran=None,
        failure=None,
    )


def _stored(analysis: Analysis) -> Analysis:
    """As the table has it: that a run has begun is the job's to know."""
    return replace(analysis, status="queued") if analysis.status == "running" else analysis


def _no_result(analysis: Analysis) -> str:
    if analysis.status in UNDER_WAY:
        return "The analysis is being run: its result can be read when its status is 'completed'."
    if analysis.status == "failed":
        return f"The analysis has no result, because its run failed: {analysis.failure}"
    return "The analysis has no result yet: run it first."


def _dataset(caller: Caller, project_id: int, dataset_id: int) -> datasets.Dataset:
    dataset = _found_dataset(caller, dataset_id)
    if dataset is None or dataset.project != project_id:
        raise NotFoundError("dataset", dataset_id, field="data_id")
    return dataset


def _found_dataset(caller: Caller, dataset_id: int) -> datasets.Dataset | None:
    try:
        return datasets.get(caller, dataset_id)
    except NotFoundError:
        return None


def _check_columns(query: queries.Query, dataset: datasets.Dataset | None) -> None:
    """InvalidError where the query does not fit the dataset; one without columns yet, or gone, fits any."""
    manifest = datasets.manifest(dataset) if dataset is not None else None
    if manifest is not None:
        queries.check(query, {column["name"]: column["type"] for column in manifest["columns"]})


def _checked_description(description: str | None) -> str | None:
    return None if description is None else checked_text("description", description, MAX_DESCRIPTION_LENGTH)
