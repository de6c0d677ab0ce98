"""The shapes of the reports group. The members of sections are in camel case here, and checked by the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict

from flarelight.errors import SEGMENTS
from flarelight.wire import described
from flarelight.wire.common import (
    GENERATED_REPORT,
    IMPORT,
    JOB,
    REPORT,
    Answer,
    Request,
    Shape,
    Started,
)
from fluvial import clock, generated_reports, report_sections, reports
from fluvial.errors import InvalidError
from fluvial.generated_reports import Generated
from fluvial.http.wire import LEFT_OUT_IF_NONE, NOT_NULL, Documented, line, text

Name = Annotated[str, line(reports.MAX_NAME_LENGTH)]
Description = Annotated[str, text(reports.MAX_DESCRIPTION_LENGTH)]
Title = Annotated[str, line(report_sections.MAX_TITLE_LENGTH)]
Subtitle = Annotated[str, line(report_sections.MAX_CAPTION_LENGTH)]
Formats = Annotated[list[str], Documented(minItems=1, items={"type": "string", "enum": list(reports.FORMATS)})]
Sections = Annotated[list[dict[str, Any]], Documented(**described.SECTIONS)]
Parameters = Annotated[list[dict[str, Any]], Documented(**described.PARAMETERS)]
Language = Annotated[str, Documented(**described.LANGUAGE)]

# Names in sections and what is in them: as the core has them, by how this API calls them; and the other way round.
TO_CORE = {wire: core for core, wire in SEGMENTS.items()}
KEY_FIGURE = ("keyFigure", "key_figure")


class ReportCreate(Request):
    """Without a `title` the report has its name; without `formats` it is generated in all. See docs/apis.md."""

    name: Name
    description: Description | None = None
    title: Title | None = None
    subtitle: Subtitle | None = None
    language: Language | None = None
    parameters: Parameters | None = None
    sections: Sections
    formats: Formats | None = None

    def to_core(self) -> dict[str, Any]:
        """The definition, as `report_sections` reads it."""
        return _definition(self, report_sections.FIELDS)


class ReportUpdate(Request):
    """What is left out stays; a null takes away what may lack."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Annotated[Name | None, NOT_NULL] = None
    description: Description | None = None
    title: Title | None = None
    subtitle: Subtitle | None = None
    language: Language | None = None
    parameters: Parameters | None = None
    sections: Annotated[Sections | None, NOT_NULL] = None
    formats: Formats | None = None

    def to_core(self) -> reports.Change:
        given = frozenset(self.model_fields_set)
        members = [name for name in report_sections.FIELDS if name in given]
        return reports.Change(given, self.name, self.description, self.formats, _definition(self, members))


class ReportGenerate(Request):
    """Values of the report's parameters by name; `formats` in place of the report's own."""

    parameters: dict[str, Any] | None = None
    formats: Formats | None = None


class ReportRegenerate(Request):
    formats: Formats | None = None


class ReportListed(Shape):
    id: str
    name: str
    description: str | None
    formats: list[str]
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, report: reports.Report) -> ReportListed:
        return cls(**_listed(report))


class Report(ReportListed):
    title: str | None
    subtitle: str | None
    language: str | None
    parameters: list[dict[str, Any]] | None
    sections: list[dict[str, Any]]

    @classmethod
    def from_core(cls, report: reports.Report) -> Report:
        definition = {name: report.definition[name] for name in report_sections.FIELDS}
        sections = [_section(each, SEGMENTS, KEY_FIGURE[::-1]) for each in definition.pop("sections")]
        return cls(**_listed(report), **definition, sections=sections)


class ReportAnswer(Answer):
    data: Report

    @classmethod
    def of_core(cls, report: reports.Report) -> ReportAnswer:
        return cls.of(Report.from_core(report))


class ReportList(Answer):
    data: list[ReportListed]


class ReportStarted(Started):
    """`GET /Report/Generated/{generatedReportId}` has the links to its files when the job has succeeded."""

    generated_report_id: str


class ReportStartedAnswer(Answer):
    data: ReportStarted

    @classmethod
    def of_core(cls, generated: Generated) -> ReportStartedAnswer:
        return cls.of(
            ReportStarted(
                job_id=JOB.spell(generated.job),
                status="queued",
                generated_report_id=GENERATED_REPORT.spell(generated.id),
            )
        )


class ReportSource(Shape):
    """The data that a report is of: it says the same each time it is generated of this version."""

    import_id: str
    version: int
    name: str


class ReportFile(Shape):
    """A file of a generated report. `url` can be opened by whoever has it, for `urlValidSeconds`."""

    path: str
    content_type: str
    bytes: int
    url: Annotated[str | None, LEFT_OUT_IF_NONE] = None
    url_valid_seconds: Annotated[int | None, LEFT_OUT_IF_NONE] = None


class GeneratedReport(Shape):
    """`status` is queued, running, completed, failed or cancelled. `hash` is the SHA-256 of what the report says."""

    id: str
    report_id: str
    name: str
    status: str
    parameters: dict[str, Any]
    formats: list[str]
    sources: list[ReportSource]
    as_of: str | None
    hash: str | None
    files: list[ReportFile]
    repeats: str | None
    job_id: str
    created_at: str
    ended_at: str | None
    error: str | None

    @classmethod
    def from_core(cls, generated: Generated) -> GeneratedReport:
        return cls(
            id=GENERATED_REPORT.spell(generated.id),
            report_id=REPORT.spell(generated.report),
            name=generated.name,
            status=generated.status,
            parameters=generated.parameters,
            formats=list(generated.formats),
            sources=[
                ReportSource(import_id=IMPORT.spell(pin.dataset), version=pin.version, name=pin.name)
                for pin in generated.pins
            ],
            as_of=None if generated.as_of is None else clock.iso(generated.as_of),
            hash=generated.digest,
            files=[
                ReportFile(path=file.path, content_type=file.content_type, bytes=file.bytes) for file in generated.files
            ],
            repeats=None if generated.repeats is None else GENERATED_REPORT.spell(generated.repeats),
            job_id=JOB.spell(generated.job),
            created_at=clock.iso(generated.created),
            ended_at=None if generated.ended is None else clock.iso(generated.ended),
            error=generated.failure,
        )

    @classmethod
    def with_links(cls, generated: Generated) -> GeneratedReport:
        shown = cls.from_core(generated)
        for shape, file in zip(shown.files, generated.files, strict=True):
            shape.url = generated_reports.link(generated, file)
            shape.url_valid_seconds = generated_reports.LINK_VALID_SECONDS
        return shown


class GeneratedReportAnswer(Answer):
    data: GeneratedReport


class GeneratedReportList(Answer):
    data: list[GeneratedReport]


def _listed(report: reports.Report) -> dict[str, Any]:
    return {
        "id": REPORT.spell(report.id),
        "name": report.name,
        "description": report.description,
        "formats": list(report.formats),
        "created_at": clock.iso(report.created),
        "updated_at": clock.iso(report.updated),
    }


def _definition(body: ReportCreate | ReportUpdate, members: Any) -> dict[str, Any]:
    found = {name: getattr(body, name) for name in members}
    if found.get("sections") is not None:
        for at, section in enumerate(found["sections"]):
            _check_names(f"sections.{at}", section)
        found["sections"] = [_section(each, TO_CORE, KEY_FIGURE) for each in found["sections"]]
    return found


def _section(section: Mapping[str, Any], names: Mapping[str, str], type_: tuple[str, str]) -> dict[str, Any]:
    """The section with its members, and those of its queries and its chart, under other names."""
    renamed = {
        names.get(name, name): _members(value, names) if isinstance(value, dict) else value
        for name, value in section.items()
    }
    if renamed.get("type") == type_[0]:
        renamed["type"] = type_[1]
    return renamed


def _members(value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): each for name, each in value.items()}


def _check_names(place: str, given: Mapping[str, Any]) -> None:
    """InvalidError for a member under the core's name, where this API has another."""
    for name, value in given.items():
        if name in SEGMENTS or (name == "type" and value == KEY_FIGURE[1]):
            wanted = SEGMENTS.get(name, KEY_FIGURE[0])
            raise InvalidError(f"{place}.{wanted}", f"Names are in camel case: send '{wanted}'.", value=name)
        if isinstance(value, dict):
            _check_names(f"{place}.{name}", value)
