"""The door to EventBridge Scheduler: one schedule for each automation that has one, in the stack's own group."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from fluvial import clock
from fluvial.aws import client
from fluvial.config import settings

MAX_AGE_SECONDS = 86_400  # AWS's own limit: for so long it tries to bring an occurrence to the queue
TIME_PLACEHOLDER = "<aws.scheduler.scheduled-time>"
"""What the scheduler replaces by the time that an occurrence was due at, in UTC."""


def put(
    name: str, expression: str, *, zone: str, start: int | None, end: int | None, enabled: bool, body: dict[str, Any]
) -> None:
    """Makes or replaces the schedule of this name. `body` is sent to the queue at each time. One or two calls."""
    scheduler = client("scheduler")
    wanted: dict[str, Any] = {
        "Name": name,
        "GroupName": settings().need("schedule_group"),
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": zone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED" if enabled else "DISABLED",
        "Target": {
            "Arn": settings().need("automations_queue_arn"),
            "RoleArn": settings().need("schedule_role"),
            "Input": json.dumps(body),
            "RetryPolicy": {"MaximumEventAgeInSeconds": MAX_AGE_SECONDS, "MaximumRetryAttempts": 185},
            "DeadLetterConfig": {"Arn": settings().need("undelivered_queue_arn")},
        },
    }
    for field, moment in (("StartDate", start), ("EndDate", end)):
        if moment is not None:
            wanted[field] = datetime.fromtimestamp(moment // clock.SECOND, UTC)
    try:
        scheduler.update_schedule(**wanted)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        scheduler.create_schedule(**wanted)


def remove(name: str) -> None:
    """Removes the schedule; nothing where there is none."""
    try:
        client("scheduler").delete_schedule(Name=name, GroupName=settings().need("schedule_group"))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
