"""boto3 clients of a local stack, deaf to whatever AWS account and proxy the machine has."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from local import server

_CONFIG = Config(
    proxies={},
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 1},
    s3={"addressing_style": "path"},
)


@cache
def session() -> boto3.Session:
    """One session: making one reads the endpoints of all of AWS, a tenth of a second each time."""
    return boto3.Session(
        aws_access_key_id=server.ACCESS_KEY,
        aws_secret_access_key=server.SECRET_KEY,
        region_name=server.REGION,
    )


def client(service: str, port: int) -> Any:
    """A client of one AWS service on the server of this port."""
    return session().client(service, endpoint_url=server.endpoint_url(port), config=_CONFIG)
