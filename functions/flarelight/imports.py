"""Imports: records and files that become typed rows. One is a dataset of a project, seen through another window."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import common
from flarelight.wire import imports as shapes
from fluvial import clock, datasets, named_imports
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render, feature="imports")


@app.get("/Import/All", "data:read")
def list_imports(caller: Caller, query: common.ListQuery) -> Response[shapes.ImportList]:
    """All imports that the key can see, of all projects, newest first."""
    found = datasets.behind(caller, query.behind(common.IMPORT), limit=query.count)
    return app.answer(shapes.ImportList.of_found(found))


@app.post("/Import/Data", "data:write", status=200)
def import_data(caller: Caller, body: shapes.ImportData) -> Response[shapes.BegunAnswer]:
    """Takes records, for a new import or one that is named by `id` or `name`; they are read as a file would be."""
    return app.once(
        lambda once: named_imports.bring(caller, body.to_core(clock.now()), once=once), shapes.BegunAnswer.of_import
    )


@app.post("/Import/File", "data:write", status=200)
def import_file(caller: Caller, form: shapes.ImportForm) -> Response[shapes.BegunAnswer]:
    """Takes a file of at most 4.5 MB, for a new import or one that is named by `id` or `name`."""
    return app.once(lambda once: named_imports.bring(caller, form.to_core(), once=once), shapes.BegunAnswer.of_import)


@app.get("/Import/{id}", "data:read")
def get_import(caller: Caller, id: common.ImportId) -> Response[shapes.ImportAnswer]:
    """An import with its columns; its rows are at `/Data`."""
    return app.answer(shapes.ImportAnswer.whole(datasets.get(caller, id)))


@app.put("/Import/{id}", "data:write")
def update_import(caller: Caller, id: common.ImportId, body: shapes.ImportUpdate) -> Response[shapes.ImportAnswer]:
    """Changes the name or the description; the rows stay."""
    return app.answer(shapes.ImportAnswer.whole(datasets.update(caller, id, body.to_core())))


@app.delete("/Import/{id}", "data:write")
def delete_import(caller: Caller, id: common.ImportId) -> Response[common.Deleted]:
    """Removes an import, its rows and its files."""
    datasets.delete(caller, id)
    return app.answer(common.Deleted.gone(common.IMPORT, id))


handler = app
