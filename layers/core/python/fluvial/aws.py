"""The one maker of AWS clients: botocore, one client per service and process.

botocore itself rather than boto3: the resources of boto3 are not used and cost a tenth of a cold start. Parameter
validation is off, for every request is built by our own code and the service checks it anyway; it is a sixth of a
call's CPU.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session

CONFIG = Config(
    parameter_validation=False,
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=32,
    s3={"us_east_1_regional_endpoint": "regional"},
    signature_version=None,
)


@cache
def _session() -> Session:
    return get_session()


@cache
def client(service: str) -> Any:
    """The process's client of an AWS service, made at its first use."""
    config = CONFIG.merge(Config(signature_version="s3v4")) if service == "s3" else CONFIG
    return _session().create_client(service, config=config)
