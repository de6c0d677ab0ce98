"""What deleted things leave behind -> gone. At least once; sweeping again finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluvial import (
    analyses,
    applications,
    blobs,
    bus,
    datasets,
    documents,
    exports,
    generated_reports,
    ids,
    pages,
    preparations,
    sites,
)
from fluvial.events import Event
from fluvial.log import write_line
from fluvial.store import analyses as stored_analyses
from fluvial.store import comparisons as stored_comparisons
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import datasets as stored_datasets
from workers.messages import parse_event, parse_id


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are events of the types in HOW."""
    return bus.run_batch(event, _sweep)


def _sweep(message: dict[str, Any]) -> None:
    event = parse_event(message)
    HOW[event.type](event)
    write_line("sweep", event=event.id, type=event.type)


def _sweep_project(event: Event) -> None:
    project = parse_id(ids.PROJECT, event.data["id"])
    while left := stored_datasets.some_of(event.account, project):
        for dataset in left:
            datasets.remove(dataset)
    stored_datasets.forget_list(event.account, project)
    while left_analyses := stored_analyses.some_of(event.account, project):
        for analysis in left_analyses:
            analyses.remove(analysis)
    stored_analyses.forget_list(event.account, project)
    sites.sweep(event.account, project)


def _sweep_dataset(event: Event) -> None:
    dataset_id = parse_id(ids.DATASET, event.data["id"])
    blobs.delete_all(blobs.versions(event.account, dataset_id))
    blobs.delete_all(blobs.sources(event.account, dataset_id))
    stored_versions.forget(event.account, dataset_id)
    exports.sweep(event.account, dataset_id)
    stored_comparisons.forget(event.account, dataset_id)


def _sweep_analysis(event: Event) -> None:
    blobs.delete_all(blobs.analyses(event.account, parse_id(ids.ANALYSIS, event.data["id"])))


def _sweep_report(event: Event) -> None:
    generated_reports.sweep(event.account, parse_id(ids.GENERATED_REPORT, event.data["id"]))


def _sweep_preparation(event: Event) -> None:
    preparation_id = parse_id(ids.PREPARATION, event.data["id"])
    blobs.delete_all(blobs.preparations(event.account, preparation_id))
    preparations.sweep(event.account, preparation_id)


def _sweep_pages(event: Event) -> None:
    pages.sweep(event.account, [parse_id(ids.PAGE, each) for each in event.data["deleted_ids"]])


def _sweep_application(event: Event) -> None:
    applications.sweep(event.account, parse_id(ids.APPLICATION, event.data["id"]))


def _sweep_document(event: Event) -> None:
    documents.sweep(event.account, event.data["document"], event.data["key"])


HOW: dict[str, Callable[[Event], None]] = {
    "project.deleted": _sweep_project,
    "data.deleted": _sweep_dataset,
    "analysis.deleted": _sweep_analysis,
    "page.deleted": _sweep_pages,
    "preparation.deleted": _sweep_preparation,
    "report.generated_deleted": _sweep_report,
    "application.revoked": _sweep_application,
    documents.SWEEP: _sweep_document,
}
"""By type of event."""
