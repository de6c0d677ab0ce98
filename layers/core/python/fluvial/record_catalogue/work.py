"""Notes on records, and tasks."""

from __future__ import annotations

from fluvial.record_catalogue.shapes import boolean, integer, model, moment, one, one_of_any, string, text

NOTE = model(
    "note",
    "Notes on records.",
    text("note", "The note."),
    string("notable_type", "Class of the record, such as GrantRequest."),
    one_of_any("notable_id", "notable_type", "Record that it is on."),
    string("attribute_name", "Field of the record that it is on."),
    boolean("private", "Whether only its author should see it."),
    boolean("pinned", "Whether it stands first."),
    label=("note",),
)

WORK_TASK = model(
    "work_task",
    "Tasks.",
    string("name", "What is to be done.", required=True),
    text("task_text", "What there is to say about it."),
    string("taskable_type", "Class of the record, such as GrantRequest."),
    one_of_any("taskable_id", "taskable_type", "Record that it is about."),
    one("assigned_user_id", "user", "Who is to do it."),
    moment("due_at", "When it is due."),
    moment("completed_at", "When it was done."),
    boolean("task_completed", "Whether it is done."),
    integer("task_order", "Place in lists."),
    string("priority", "How soon it is to be done."),
    states=("new", "pending", "in_progress", "completed", "canceled"),
)

CLASSES = (NOTE, WORK_TASK)
