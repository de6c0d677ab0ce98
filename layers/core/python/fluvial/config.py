"""The settings of a running function: read once, checked, and the only use of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache

PREFIX = "FLUVIAL_"


@dataclass(frozen=True, slots=True)
class Settings:
    """One field per environment variable `FLUVIAL_<FIELD>`; template.yaml sets each only where it is used.

    A name that a function needs and does not have is an error at its first use, not an empty string.
    """

    table: str = ""
    """Name of the DynamoDB table."""
    bucket: str = ""
    """Name of the S3 bucket with sources and Parquet parts."""
    bus: str = ""
    """Name of the EventBridge bus."""
    deliver_queue_url: str = ""
    """URL of the SQS queue of webhook deliveries."""
    ingest_queue_url: str = ""
    """URL of the SQS queue of ingest jobs."""
    analyse_queue_url: str = ""
    """URL of the SQS queue of analysis jobs."""
    export_queue_url: str = ""
    """URL of the SQS queue of export jobs."""
    prepare_queue_url: str = ""
    """URL of the SQS queue of jobs that execute preparations."""
    automation_machine: str = ""
    """ARN of the state machine that drives runs of automations."""
    schedule_group: str = ""
    """Name of the group of the schedules of automations."""
    schedule_role: str = ""
    """ARN of the role with which a schedule sends to the queue of automations."""
    automations_queue_arn: str = ""
    """ARN of the SQS queue that schedules send to."""
    undelivered_queue_arn: str = ""
    """ARN of the SQS queue of what could not be brought to another."""
    publish_site_queue_url: str = ""
    """URL of the SQS queue of jobs that publish sites."""
    compute_report_queue_url: str = ""
    """URL of the SQS queue of reports that are to be computed."""
    render_report_queue_url: str = ""
    """URL of the SQS queue of reports that are to be rendered."""
    sweep_queue_url: str = ""
    """URL of the SQS queue of what may have to be removed."""
    snapshot_records_queue_url: str = ""
    """URL of the SQS queue of snapshots of records that are to be made; who has none asks for none."""
    usage_plans: str = ""
    """API Gateway usage plan ids by plan, as `free=abc,standard=def`."""
    log_level: str = "INFO"
    """Least level that is logged: DEBUG, INFO, WARNING or ERROR."""
    allowed_origin: str = "*"
    """Origin whose scripts in browsers may read the answers (CORS); * for all."""
    base_url: str = ""
    """Base URL of the API as its callers see it; empty where requests tell it, as without a proxy in front they do."""
    max_inline_bytes: int = 4_500_000
    """Largest file in one multipart request, in bytes. API Gateway and Lambda leave about this much."""
    max_record_files_bytes: int = 400 * 1024**2
    """How much of the temporary directory the replicas of records may take in all, in bytes."""
    max_upload_bytes: int = 10 * 1024**3
    """Largest file in one presigned upload, in bytes; above 5 GiB it comes in parts."""
    fiscal_year_start_month: int = 1
    """Month with which the fiscal year begins, 1 to 12."""
    bytes_need_accept: bool = False
    """Whether bytes come through the gateway only to those who send an `Accept`; so it is in the emulator."""
    webhooks_allow_private: bool = False
    """Whether webhook addresses may be private or loopback ones, and plain names; for local use."""

    def need(self, name: str) -> str:
        """The setting of this name; LookupError where this function was not given it."""
        value = str(getattr(self, name))
        if not value:
            raise LookupError(f"{PREFIX}{name.upper()} is not set for this function")
        return value


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables; ValueError names the variable that cannot be read."""
    values: dict[str, object] = {}
    for field in fields(Settings):
        variable = PREFIX + field.name.upper()
        text = environment.get(variable)
        if text is None:
            continue
        if field.type == "int":
            if not text.isdecimal():
                raise ValueError(f"{variable} must be a whole number, not {text!r}")
            values[field.name] = int(text)
        elif field.type == "bool":
            if text not in ("true", "false"):
                raise ValueError(f"{variable} must be true or false, not {text!r}")
            values[field.name] = text == "true"
        else:
            values[field.name] = text
    return Settings(**values)  # type: ignore[arg-type]


@cache
def settings() -> Settings:
    """The settings of this process, read at the first use."""
    return read(os.environ)
