"""Start the functions that the demo uses, side by side: one after the other, cold starts would be most of its time.

Each gets an event of its kind that asks for nothing: an empty batch, or a request for a path that is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from local import aws
from local.state import Stack

_NO_REQUEST: dict[str, Any] = {
    "resource": "/",
    "path": "/",
    "httpMethod": "GET",
    "headers": {},
    "multiValueHeaders": {},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "requestContext": {"requestId": "warm-up", "resourcePath": "/", "httpMethod": "GET", "stage": "v1"},
    "body": None,
    "isBase64Encoded": False,
}
_NO_CREDENTIAL: dict[str, Any] = {"type": "REQUEST", "headers": {}, "methodArn": "", "requestContext": {}}
_NO_RECORDS: dict[str, Any] = {"Records": []}

# The slowest first.
_EVENTS = {
    "ComputeReportFunction": _NO_RECORDS,
    "AnalyseFunction": _NO_RECORDS,
    "RenderReportFunction": _NO_RECORDS,
    "ReferenceRowsFunction": _NO_REQUEST,
    "ReferenceWebhooksFunction": _NO_REQUEST,
    "ReferenceDataFunction": _NO_REQUEST,
    "ReferenceProjectsFunction": _NO_REQUEST,
    "IngestFunction": _NO_RECORDS,
    "PublishSiteFunction": _NO_RECORDS,
    "FluxjivaProjectsFunction": _NO_REQUEST,
    "FluxjivaAnalysesFunction": _NO_REQUEST,
    "CodeflussProjectsFunction": _NO_REQUEST,
    "CodeflussPagesFunction": _NO_REQUEST,
    "CodeflussSectionsFunction": _NO_REQUEST,
    "CodeflussVersionsFunction": _NO_REQUEST,
    "FlarelightImportsFunction": _NO_REQUEST,
    "FlarelightReportsFunction": _NO_REQUEST,
    "FlarelightJobsFunction": _NO_REQUEST,
    "PublishFunction": _NO_RECORDS,
    "FanOutFunction": _NO_RECORDS,
    "DeliverFunction": _NO_RECORDS,
    "AuthorizerFunction": _NO_CREDENTIAL,
    "SubscriptionAuthorizerFunction": _NO_CREDENTIAL,
}


@contextmanager
def warming(stack: Stack) -> Iterator[None]:
    """Start the functions beside the block; both are done when it is. What cannot be warmed is merely slow later."""
    client = aws.client("lambda", stack.port)
    executor = ThreadPoolExecutor(max_workers=os.cpu_count())
    for logical_id, event in _EVENTS.items():
        if logical_id in stack.resources:
            executor.submit(client.invoke, FunctionName=stack.resources[logical_id], Payload=json.dumps(event))
    try:
        yield
        executor.shutdown()
    finally:
        # After Ctrl-C nobody waits for functions that have not begun to start.
        executor.shutdown(wait=False, cancel_futures=True)
