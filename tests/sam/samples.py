"""The sample events in `events/`, and the same about things that exist in a stack.

The events tell of one account, project, dataset and so on; a test names what it has made in their place.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from fluvial import ids
from fluvial.ids import uuid
from fluvial.store.keys import number
from tests.template import ROOT

EVENTS = ROOT / "events"

IDS = {
    "account": 243361382403001,
    "user": 243361382403002,
    "key": 243361382403003,
    "project": 243361632256017,
    "endpoint": 243361759234210,
    "dataset": 243361894400904,
    "job": 243361894400905,
    "analysis": 243362103214081,
    "run": 243362103214082,
    "publishing": 243362103214091,
    "page": 243362205200401,
    "section": 243362205200402,
    "export": 243362103214083,
    "preparation": 243362103214093,
    "execution": 243362103214094,
    "computing": 243362103214101,
    "rendering": 243362103214102,
    "automation": 243362103214111,
    "automation_run": 243362103214112,
    "automation_job": 243362103214113,
    "document": 243361382404010,
}
KINDS = (
    ids.ACCOUNT,
    ids.AUTOMATION,
    ids.DATASET,
    ids.GENERATED_REPORT,
    ids.JOB,
    ids.PREPARATION,
    ids.PROJECT,
    ids.REPORT,
    ids.RUN,
)
TEXTS = {
    "event": "evt_06xar5t900j7c1f0a93d2",
    "secret": "flv_Zq3vX8Lw0KpT5sYb7NcR2mHd9GfJ4aEu136cZh",
    "url": "https://hooks.example.com/fluvial",
    "client_id": "dGlMoiyrlfxX1rTnyFf3vA7NUtFOY6aF0kDQHBwtnOAmp48ddS880t0DnD037rgW",
    "client_secret": "zAtAIKzCYuheDByziCzzvOJ1NQAx9G4LJqcb0chjL4JMqJUiKBUUjB3Gy10iw6rR",
    "email": "mira@example.org",
    "token": "9f2c41d07a5be8366c1d90f4b27e5a83c4d6f10b8e7a29350d4c6b1f8a72e39d",
}


def path(handler: str) -> Path:
    """The event of a function: `reference.projects.handler` has `events/reference/projects.json`."""
    return EVENTS.joinpath(*handler.split(".")[:-1]).with_suffix(".json")


def event_of(handler: str, **made: int | str) -> dict[str, Any]:
    """The function's event, about the things that were made: ids by number, the rest by text."""
    event: dict[str, Any] = json.loads(_about(path(handler).read_text(), made))
    if event.get("isBase64Encoded"):
        body = base64.b64decode(event["body"]).decode()
        event["body"] = base64.b64encode(_about(body, made).encode()).decode()
    return event


def _about(text: str, made: dict[str, int | str]) -> str:
    for name, real in made.items():
        if isinstance(real, int):
            # As a number in contexts and attributes, in the spelling that ids share but for their prefix, as a UUID.
            text = text.replace(str(IDS[name]), str(real)).replace(number(IDS[name]), number(real))
            for kind in KINDS:
                text = text.replace(uuid(kind, IDS[name]), uuid(kind, real))
        else:
            text = text.replace(TEXTS[name], real)
    return text
