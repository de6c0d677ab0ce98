"""Versions of a project's site: published, compared, rolled back to, previewed."""

from __future__ import annotations

from codefluss.errors import render_for
from codefluss.wire import common
from codefluss.wire import versions as shapes
from fluvial import clock, previews, sites
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("codefluss", render_for("version"))


@app.post("/projects/{project_id}/publish", "pages:write", status=202)
def publish(caller: Caller, project_id: common.ProjectId, body: shapes.Publish) -> Response[shapes.VersionAnswer]:
    """Makes a version of all pages that are not drafts; it is live once its status is ready."""
    return app.once(lambda once: sites.publish(caller, project_id, note=body.note, once=once), _shown)


@app.get("/projects/{project_id}/versions", "pages:read")
def list_versions(
    caller: Caller, project_id: common.ProjectId, query: common.ListQuery
) -> Response[shapes.VersionList]:
    """The versions of a project, newest first."""
    found = sites.page(caller, project_id, after=query.after, limit=query.limit)
    return app.answer(shapes.VersionList.listed(found, shapes.Version.from_core, lambda version: version.number, app))


@app.get("/projects/{project_id}/versions/{version}", "pages:read")
def get_version(
    caller: Caller, project_id: common.ProjectId, version: shapes.VersionNumber
) -> Response[shapes.VersionAnswer]:
    """One version."""
    return app.answer(_shown(sites.get(caller, project_id, version)))


@app.get("/projects/{project_id}/versions/{version}/compare", "pages:read")
def compare_versions(
    caller: Caller, project_id: common.ProjectId, version: shapes.VersionNumber, query: shapes.CompareQuery
) -> Response[shapes.ComparisonAnswer]:
    """How the version `to` differs from this one."""
    found = sites.compare(caller, project_id, version, query.to)
    compared = shapes.VersionComparison.from_core(version, query.to, found)
    return app.answer(shapes.ComparisonAnswer.of(compared, app))


@app.post("/projects/{project_id}/versions/{version}/rollback", "pages:write", status=200)
def roll_back(
    caller: Caller, project_id: common.ProjectId, version: shapes.VersionNumber
) -> Response[shapes.VersionAnswer]:
    """Makes this version the live one again; the pages themselves stay as they are."""
    return app.once(lambda once: sites.roll_back(caller, project_id, version, once=once), _shown)


@app.post("/projects/{project_id}/versions/{version}/preview", "pages:read")
def preview_version(
    caller: Caller, project_id: common.ProjectId, version: shapes.VersionNumber
) -> Response[shapes.PreviewAnswer]:
    """A link that shows this version in a browser, for an hour, to whoever has it."""
    return app.once(
        lambda once: previews.create(caller, project_id, version, once=once),
        lambda made: _linked(*made),
        previews.spell_token,
    )


def _shown(version: sites.Version) -> shapes.VersionAnswer:
    return shapes.VersionAnswer.of(shapes.Version.from_core(version), app)


def _linked(token: str, preview: previews.Preview) -> shapes.PreviewAnswer:
    link = shapes.Preview(url=f"{app.base_url}/preview/{token}/{previews.INDEX}", expires_at=clock.iso(preview.ends))
    return shapes.PreviewAnswer.of(link, app)


handler = app
