"""Reports: definitions of what is to be shown, kept by the account. What was made of them: `generated_reports`.

A definition has sections over datasets and preparations, and parameters (`report_sections`). It is checked when it is
given: its shape, whether its sources exist, and against their columns where they have some already. A source that has
none yet fits any section; whether it fits is then found out when a report is generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluvial import clock, datasets, events, ids, preparations, report_sections
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.pages import check_revision
from fluvial.paging import Listed
from fluvial.report_sections import Definition, Source, Text
from fluvial.store import reports as store
from fluvial.text import checked_line, checked_text

FORMATS = ("html", "pdf", "xlsx", "csv")  # those of `report_render`, which nobody imports to know them
MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 2_000
CREATE_ATTEMPTS = 3
# A report shows rows, so a key that may not read them defines none.
NEEDED_SCOPE = "data:read"


@dataclass(frozen=True, slots=True)
class Report:
    """Times in milliseconds; `revision` grows by one with each change.

    `definition` is JSON of `report_sections`; without a title of its own it has the report's name. `formats` are the
    files that are made unless others are asked for.
    """

    id: int
    account: int
    name: str
    description: str | None
    definition: dict[str, Any]
    formats: tuple[str, ...]
    created: int
    updated: int
    revision: int = 1

    def parsed(self) -> Definition:
        """The definition, with the title that it goes by."""
        title = self.definition.get("title")
        return report_sections.parse({**self.definition, "title": self.name if title is None else title})

    def described(self) -> dict[str, Any]:
        """The report as events show it: without its sections, which may be long."""
        return {
            "id": ids.spell(ids.REPORT, self.id),
            "name": self.name,
            "description": self.description,
            "formats": list(self.formats),
            "created_at": clock.iso(self.created),
            "updated_at": clock.iso(self.updated),
        }


@dataclass(frozen=True, slots=True)
class Change:
    """New values of a report's fields; those that are not `given` stay. `definition` has the members that change."""

    given: frozenset[str]
    name: str | None = None
    description: str | None = None
    formats: Sequence[str] | None = None
    definition: Mapping[str, Any] | None = None

    def apply(self, report: Report) -> Report:
        """The changed report; InvalidError for a value that it cannot have. Sources are not looked at."""
        if not self.given and not self.definition:
            known = ", ".join(("name", "description", "formats", *report_sections.FIELDS))
            raise InvalidError(None, "Give at least one field to change.", constraint=known)
        if "name" in self.given:
            if self.name is None:
                raise InvalidError("name", "'name' must not be null.", constraint=f"1-{MAX_NAME_LENGTH} characters")
            report = replace(report, name=checked_line("name", self.name, MAX_NAME_LENGTH))
        if "description" in self.given:
            report = replace(report, description=_checked_description(self.description))
        if "formats" in self.given:
            report = replace(report, formats=checked_formats(self.formats))
        if self.definition:
            report = replace(report, definition={**report.definition, **self.definition})
        # Also for another name alone: it may be the title.
        report.parsed()
        return report


def create(
    caller: Caller,
    *,
    name: str,
    definition: Mapping[str, Any],
    description: str | None = None,
    formats: Sequence[str] | None = None,
    once: Once[Report] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Report:
    """Makes a report, with its event `report.created`. Two reads of the table and one of the bucket for each source.

    InvalidError for a definition that is none or does not fit its sources, NotFoundError for a source that is absent
    or foreign; ForbiddenError for a key that may not read data.
    """
    caller.require(NEEDED_SCOPE)
    checked_line("name", name, MAX_NAME_LENGTH)
    moment = now()
    report = Report(
        id=0,
        account=caller.account,
        name=name,
        description=_checked_description(description),
        definition={field: definition.get(field) for field in report_sections.FIELDS},
        formats=checked_formats(formats),
        created=moment,
        updated=moment,
    )
    _check_sources(caller, report.parsed())
    for _ in range(CREATE_ATTEMPTS):
        report = replace(report, id=new_id())
        event = events.happened(caller.account, "report.created", report.described(), at=moment)
        if store.create(report, event, guard(once, report)):
            return report
    raise RuntimeError("no free id was found for a report")


def get(caller: Caller, report_id: int) -> Report:
    """The report; NotFoundError for an absent or foreign one."""
    report = store.get(caller.account, report_id)
    if report is None:
        raise NotFoundError("report", report_id)
    return report


def behind(caller: Caller, after: int | None, *, limit: int) -> Listed[Report]:
    """At most `limit` of the account's reports, newest first, behind the id `after`, or from the newest on."""
    found = store.behind(caller.account, after, limit=limit + 1)
    return Listed(found[:limit], len(found) > limit, store.total(caller.account))


def update(
    caller: Caller, report_id: int, change: Change, *, expected: int | None = None, now: clock.Now = clock.now
) -> Report:
    """Changes what is given, with the event `report.updated`. What was or is being generated stays as it is.

    StaleError where it is no longer at the revision that is `expected`.
    """
    caller.require(NEEDED_SCOPE)
    for _ in attempts(f"report {report_id}"):
        report = get(caller, report_id)
        check_revision("report", report.revision, expected)
        changed = change.apply(report)
        if change.definition:
            _check_sources(caller, changed.parsed())
        moment = max(now(), report.updated)
        changed = replace(changed, updated=moment, revision=report.revision + 1)
        event = events.happened(caller.account, "report.updated", changed.described(), at=moment)
        if store.update(changed, event):
            return changed
    raise AssertionError("unreachable: attempts end with an error")


def delete(caller: Caller, report_id: int, *, expected: int | None = None, now: clock.Now = clock.now) -> None:
    """Removes the definition, with the event `report.deleted`. What was generated of it stays until it is deleted."""
    for _ in attempts(f"report {report_id}"):
        report = get(caller, report_id)
        check_revision("report", report.revision, expected)
        event = events.happened(caller.account, "report.deleted", report.described(), at=now())
        if store.delete(report, event):
            return


def checked_formats(given: Sequence[str] | None, field: str = "formats") -> tuple[str, ...]:
    """The formats in the order of FORMATS, all by default; InvalidError for one that there is not, and for none."""
    if given is None:
        return FORMATS
    allowed = ", ".join(FORMATS)
    if not given:
        raise InvalidError(field, f"'{field}' must name at least one format.", value=[], constraint=allowed)
    for each in given:
        if each not in FORMATS:
            raise InvalidError(field, f"'{each[:50]}' is not a format.", value=each, constraint=allowed)
    return tuple(each for each in FORMATS if each in given)


def id_of(source: Source) -> int | None:
    """The dataset or preparation that a source names, in either spelling; None for a text that spells no id."""
    kind = ids.DATASET if source.kind == "dataset" else ids.PREPARATION
    number = ids.of_uuid(kind, source.id)
    return ids.parse(kind, source.id) if number is None else number


def output_of(caller: Caller, preparation_id: int, *, field: str) -> datasets.Dataset | None:
    """The data that a preparation makes; None where it has none yet, or where that was deleted."""
    output = preparations.get(caller, preparation_id, field=field).output
    try:
        return None if output is None else datasets.get(caller, output)
    except NotFoundError:
        return None


def _check_sources(caller: Caller, definition: Definition) -> None:
    """NotFoundError for a source that the caller does not have, InvalidError where a section does not fit its own."""
    sample = definition.with_values({each.name: each.sample for each in definition.parameters})
    types: dict[Source, dict[str, str]] = {}
    for source in definition.sources:
        place = next(
            f"sections.{at}.{source.kind}"
            for at, section in enumerate(sample.sections)
            if not isinstance(section, Text) and section.question.source == source
        )
        dataset = _dataset(caller, source, place)
        manifest = datasets.manifest(dataset) if dataset is not None else None
        if manifest is not None:
            types[source] = {column["name"]: column["type"] for column in manifest["columns"]}
    report_sections.check(sample, types)


def _dataset(caller: Caller, source: Source, place: str) -> datasets.Dataset | None:
    """The data of a source; None for a preparation that was not executed yet. NotFoundError names the place."""
    found = id_of(source)
    if found is None:
        raise NotFoundError(source.kind, source.id, field=place)
    if source.kind == "preparation":
        return output_of(caller, found, field=place)
    try:
        return datasets.get(caller, found)
    except NotFoundError as error:
        raise NotFoundError("dataset", found, field=place) from error


def _checked_description(description: str | None) -> str | None:
    return None if description is None else checked_text("description", description, MAX_DESCRIPTION_LENGTH)
