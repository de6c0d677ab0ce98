"""The door to API Gateway's keys: what binds an account's requests to its usage plan."""

from __future__ import annotations

from fluvial.aws import client
from fluvial.config import settings


def create_key(*, name: str, value: str, plan: str) -> None:
    """Makes the account's gateway key and puts it into the usage plan of its plan."""
    plans = dict(pair.split("=") for pair in settings().need("usage_plans").split(","))
    apigateway = client("apigateway")
    key = apigateway.create_api_key(name=name, value=value, enabled=True)
    apigateway.create_usage_plan_key(usagePlanId=plans[plan], keyId=key["id"], keyType="API_KEY")
