"""Change queues: their definitions, and polling them."""

from __future__ import annotations

from fluvial import change_batches, change_queues, record_schemas
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluxx.errors import render
from fluxx.wire import queues as shapes

app = make_app("fluxx", render)

POLL = "/poll/client/{client_id}/uuid/queue/{queue_uuid}"
FINISH = "/poll/client/{client_id}/uuid/queue_finished/{queue_uuid}/{job_uuid}"


@app.get("/poll/queues", "records:read")
def list_queues(caller: Caller) -> Response[shapes.QueuesPage]:
    """All queues of the account, oldest first. For administrators."""
    queues = change_queues.all_of(caller)
    schema = record_schemas.of(caller.account)
    return app.send(shapes.listed([(queue, change_queues.problem(queue, schema)) for queue in queues]))


@app.post("/poll/queues", "records:write", status=200)
def create_queue(caller: Caller, body: shapes.QueueCreate) -> Response[shapes.QueueAnswer]:
    """Makes a queue, which collects the changes of a class from now on. For administrators."""
    return app.once(
        lambda once: change_queues.create(
            caller,
            name=body.name,
            model=body.model_type,
            filter=body.condition,
            triggers=body.triggers,
            columns=body.cols,
            once=once,
        ),
        lambda queue: shapes.one(queue, None),
    )


@app.get("/poll/queues/{id}", "records:read")
def get_queue(caller: Caller, id: shapes.QueueId) -> Response[shapes.QueueAnswer]:
    """One queue. For administrators."""
    return app.send(_shown(caller, change_queues.get(caller, id)))


@app.put("/poll/queues/{id}", "records:write")
def update_queue(caller: Caller, id: shapes.QueueId, body: shapes.QueueUpdate) -> Response[shapes.QueueAnswer]:
    """Changes the fields that are given; the class of a queue stays. For administrators."""
    return app.send(_shown(caller, change_queues.update(caller, id, body.to_core())))


@app.delete("/poll/queues/{id}", "records:write")
def delete_queue(caller: Caller, id: shapes.QueueId) -> Response[bool]:
    """Removes a queue with all that waits in it. For administrators."""
    change_queues.delete(caller, id)
    return app.send("true")


@app.get(POLL, "records:read")
def poll(caller: Caller, client_id: str, queue_uuid: str, query: shapes.PollQuery) -> Response[shapes.BatchAnswer]:
    """The next changes of a queue, oldest first; until they are finished, the same answer comes again."""
    # Some clients send `:client_id` as it stands in the document: who calls is told by the token alone.
    del client_id
    queue = change_queues.find(caller, queue_uuid)
    return app.send(change_batches.poll(caller, queue, limit=query.limit_num, new_uuid=change_queues.new_uuid))


@app.get(FINISH, "records:read")
def finish(caller: Caller, client_id: str, queue_uuid: str, job_uuid: str) -> Response[shapes.FinishedAnswer]:
    """Removes what was polled under this job for good; the next poll has what came after it."""
    del client_id
    finished = change_batches.finish(change_queues.find(caller, queue_uuid), job_uuid)
    return app.answer(shapes.FinishedAnswer(job_uuid=finished.job, clear_count=finished.count))


def _shown(caller: Caller, queue: change_queues.Queue) -> str:
    return shapes.one(queue, change_queues.problem(queue, record_schemas.of(caller.account)))


handler = app
