"""The door to Step Functions: executions of the state machine that drives runs of automations."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from fluvial.aws import client
from fluvial.config import settings


def start(name: str, given: dict[str, Any]) -> bool:
    """Starts the execution of this name; False where there was one, running or ended, within the last 90 days."""
    try:
        client("stepfunctions").start_execution(
            stateMachineArn=settings().need("automation_machine"), name=name, input=json.dumps(given)
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        return False
    return True
