"""What the bus's messages carry, read back."""

from __future__ import annotations

from typing import Any

from fluvial import causes, ids
from fluvial.events import Event


def parse_event(message: dict[str, Any]) -> Event:
    """The event of an EventBridge message that `publish` sent."""
    detail = message["detail"]
    return Event(
        id=detail["id"],
        account=parse_id(ids.ACCOUNT, detail["account"]),
        type=message["detail-type"],
        created=detail["created"],
        data=detail["data"],
        cause=causes.from_json(detail.get("cause")),
        silent=detail.get("silent", False),
    )


def parse_job(message: dict[str, Any]) -> tuple[int, int]:
    """Account and job of an EventBridge message that `publish` sent."""
    detail = message["detail"]
    return parse_id(ids.ACCOUNT, detail["account"]), parse_id(ids.JOB, detail["job"])


def parse_stage(message: dict[str, Any]) -> str | None:
    """The stage of the job that the message is for; None for a job of one stage."""
    stage: str | None = message["detail"].get("stage")
    return stage


def parse_id(prefix: str, spelling: str) -> int:
    """The id; ValueError for a text that spells none."""
    number = ids.parse(prefix, spelling)
    if number is None:
        raise ValueError(f"{spelling!r} spells no id")
    return number
