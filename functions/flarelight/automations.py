"""Automations: steps that are done by themselves, and their runs."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import automations as shapes
from flarelight.wire import common
from fluvial import automation_runs, automations, clock
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render, feature="automations")


@app.post("/Automation", "automations:write", status=200)
def create_automation(caller: Caller, body: shapes.AutomationCreate) -> Response[shapes.AutomationAnswer]:
    """Makes an automation. Its runs use the rights of the key that makes it, so that needs the scope of each step."""
    steps, triggers = shapes.steps_to_core(body.steps), shapes.triggers_to_core(body.triggers)
    return app.once(
        lambda once: automations.create(
            caller,
            name=body.name,
            description=body.description,
            enabled=body.enabled is not False,
            steps=steps,
            triggers=triggers,
            concurrency=body.concurrency,
            once=once,
        ),
        shapes.AutomationAnswer.of_core,
    )


@app.get("/Automation/All", "automations:read")
def list_automations(caller: Caller, query: common.ListQuery) -> Response[shapes.AutomationList]:
    """All automations, newest first."""
    found = automations.behind(caller, query.behind(common.AUTOMATION), limit=query.count)
    lines, now = automations.lines(found.items), clock.now()
    return app.answer(
        shapes.AutomationList.listed(
            found,
            lambda one: shapes.Automation.from_core(one, lines.get(one.id), now),
            lambda one: common.AUTOMATION.spell(one.id),
        )
    )


@app.get("/Automation/{id}", "automations:read")
def get_automation(caller: Caller, id: common.AutomationId) -> Response[shapes.AutomationAnswer]:
    """An automation, with when it runs next and when it ran last."""
    return _answered(automations.get(caller, id))


@app.put("/Automation/{id}", "automations:write")
def update_automation(
    caller: Caller, id: common.AutomationId, body: shapes.AutomationUpdate, expected: int | None
) -> Response[shapes.AutomationAnswer]:
    """Changes the fields that are given. From then on its runs use the rights of the key that changed it."""
    return _answered(automations.update(caller, id, body.to_core(), expected=expected))


@app.delete("/Automation/{id}", "automations:write")
def delete_automation(caller: Caller, id: common.AutomationId, expected: int | None) -> Response[common.Deleted]:
    """Removes an automation and its runs; those under way are called off."""
    automations.delete(caller, id, expected=expected)
    return app.answer(common.Deleted.gone(common.AUTOMATION, id))


@app.post("/Automation/{id}/Execute", "automations:write", status=200)
def execute_automation(
    caller: Caller, id: common.AutomationId, body: shapes.AutomationExecute
) -> Response[shapes.RunStartedAnswer]:
    """Records a run of an automation that has the trigger `api`, and a job that tells how far it is."""
    return app.once(
        lambda once: automation_runs.execute(caller, id, body.input, once=once), shapes.RunStartedAnswer.of_core
    )


@app.get("/Automation/{id}/Runs", "automations:read")
def list_runs(caller: Caller, id: common.AutomationId, query: common.ListQuery) -> Response[shapes.RunList]:
    """The runs of an automation, newest first; they are kept for 90 days after their end."""
    runs, more = automation_runs.behind(caller, id, query.behind(common.RUN), limit=query.count)
    return app.answer(shapes.RunList.of_core(runs, more))


@app.get("/Automation/Run/{id}", "automations:read")
def get_run(caller: Caller, id: common.RunId) -> Response[shapes.RunAnswer]:
    """A run: how each of its steps stands, with times, result and error."""
    return app.answer(shapes.RunAnswer.of_core(automation_runs.get(caller, id)))


@app.post("/Automation/Run/{id}/Resume", "automations:write", status=200)
def resume_run(caller: Caller, id: common.RunId) -> Response[shapes.RunStartedAnswer]:
    """Goes on with a run that failed, from the step that failed, as its next attempt with a job of its own."""
    return app.once(lambda once: automation_runs.resume(caller, id, once=once), shapes.RunStartedAnswer.of_core)


@app.post("/Automation/Run/{id}/Cancel", "automations:write", status=200)
def cancel_run(caller: Caller, id: common.RunId) -> Response[shapes.RunAnswer]:
    """Calls off a run that waits or is under way, with its job and the job of its step."""
    return app.once(lambda once: automation_runs.cancel(caller, id, once=once), shapes.RunAnswer.of_core)


def _answered(automation: automations.Automation) -> Response[shapes.AutomationAnswer]:
    line = automations.lines([automation]).get(automation.id)
    return app.answer(shapes.AutomationAnswer.of_core(automation, line), revision=automation.revision)


handler = app
