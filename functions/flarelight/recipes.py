"""Recipes of preparations: made, changed and tried out. With the engine, which says what they make of their inputs."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import common
from flarelight.wire import preparations as shapes
from flarelight.wire import recipes as recipe_shapes
from fluvial import preparations
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render, feature="preparations")


@app.post("/Preparation", "preparations:write", status=200)
def create_preparation(caller: Caller, body: recipe_shapes.PreparationCreate) -> Response[shapes.PreparationAnswer]:
    """Makes a preparation: a recipe over imports. The key needs `data:read`, too."""
    return app.once(
        lambda once: preparations.create(
            caller,
            name=body.name,
            description=body.description,
            inputs=recipe_shapes.to_inputs(body.inputs),
            recipe=recipe_shapes.to_recipe(body.recipe),
            output=recipe_shapes.to_output(body.output),
            once=once,
        ),
        shapes.PreparationAnswer.of_core,
    )


@app.put("/Preparation/{id}", "preparations:write")
def update_preparation(
    caller: Caller, id: common.PreparationId, body: recipe_shapes.PreparationUpdate, expected: int | None
) -> Response[shapes.PreparationAnswer]:
    """Changes the fields that are given; the output follows with the next execution."""
    changed = preparations.update(caller, id, body.to_core(), expected=expected)
    return app.answer(shapes.PreparationAnswer.of_core(changed), revision=changed.revision)


@app.post("/Preparation/Preview", "preparations:read", status=200)
def preview_recipe(caller: Caller, body: recipe_shapes.PreviewRequest) -> Response[recipe_shapes.PreviewAnswer]:
    """What a recipe makes of the first 10,000 rows of each input, step by step. The key needs `data:read`, too."""
    # It opens the engine, which most of a cold start would be.
    from fluvial import recipes

    inputs, recipe = recipe_shapes.to_inputs(body.inputs), recipe_shapes.to_recipe(body.recipe)
    return app.answer(
        recipe_shapes.PreviewAnswer.of_core(recipes.preview(caller, inputs, recipe, shown_rows=body.rows))
    )


@app.post("/Preparation/{id}/Preview", "preparations:read", status=200)
def preview_preparation(
    caller: Caller, id: common.PreparationId, body: recipe_shapes.PreviewRows
) -> Response[recipe_shapes.PreviewAnswer]:
    """What a preparation makes of the first 10,000 rows of each input. The key needs `data:read`, too."""
    from fluvial import recipes

    made = preparations.get(caller, id)
    found = recipes.preview(caller, made.inputs, made.recipe, shown_rows=body.rows)
    return app.answer(recipe_shapes.PreviewAnswer.of_core(found))


handler = app
