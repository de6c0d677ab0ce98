"""A stack on this machine, from start to stop. The commands and the tests are written on these functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from local import aws, deploy, localise, server, state
from local.state import LocalError, Stack

NAME = "fluvial-local"
TEMPLATE = state.ROOT / "template.yaml"
DEFAULT_PORT = 4566
PLANS = ("free", "standard", "professional", "enterprise")


def up(
    port: int = DEFAULT_PORT,
    *,
    auth: bool = False,
    parameters: Mapping[str, str] | None = None,
    template: Path = TEMPLATE,
    current: bool = True,
) -> Stack:
    """Start a server, create the stack from the template, and return it when it answers.

    Port 0 takes a free one. `auth` enforces IAM: functions can do only what the template allows them.
    `parameters` go to the template beside those every local stack gets. With `current=False` (tests) the stack
    does not become the one that commands without PORT mean. What cannot be made leaves nothing running;
    LocalError says why.
    """
    port = port or server.free_port()
    check_port(port)
    if not template.is_file():
        raise LocalError(f"{template} is not there")
    state.prune()
    try:
        pid = server.start(port, auth=auth)
        deploy.create_stack(template, NAME, port, parameters or {})
        resources = _resources(port)
        base_urls = localise.localise(NAME, port, resources)
        stack = Stack(
            endpoint_url=server.endpoint_url(port),
            region=server.REGION,
            apis={_api_name(key): {"base_url": url} for key, url in base_urls.items() if key.endswith("Api")},
            name=NAME,
            port=port,
            pid=pid,
            log=str(server.log_file(port)),
            auth=auth,
            resources=resources,
            table=resources.get("Table"),
            bucket=resources.get("Bucket"),
        )
        state.write(stack, current=current)
    except BaseException:
        # Ctrl-C included: whoever gives up on a start must not find the port busy afterwards.
        server.stop(port)
        raise
    return stack


def down(port: int) -> bool:
    """Stop the stack of this port, with everything in it. False where none was running."""
    stopped = server.stop(port)
    state.forget(port)
    return stopped


def find(port: int | None = None) -> Stack:
    """The running stack of this port, or the one started last; LocalError where there is none."""
    stack = state.read(state.directory(port) / "stack.json" if port else state.CURRENT)
    if stack is None or server.running_pid(stack.port) is None:
        raise LocalError(f"{none_running(port)}; start one with: make up" + (f" PORT={port}" if port else ""))
    return stack


def none_running(port: int | None) -> str:
    """That no stack is running where one was looked for, and where there are others."""
    if port:
        return f"no stack is running on port {port}"
    others = [f"PORT={other}" for other in state.ports() if server.running_pid(other) is not None]
    if others:
        return f"the stack that was started last is not running any more (others are: {', '.join(others)})"
    return "no stack is running"


def check_port(port: int) -> None:
    """LocalError where a stack cannot be started on this port."""
    if not 0 < port < 65536:
        raise LocalError(f"{port} is not a port number")
    other = f"or choose another port, for example PORT={port + 1 if port < 65535 else DEFAULT_PORT}"
    if server.running_pid(port) is not None:
        raise LocalError(f"a stack is running on port {port} already: stop it with `make down PORT={port}`, {other}")
    if not server.is_free(port):
        raise LocalError(f"port {port} is in use by another program: stop that, {other}")


def create_account(
    stack: Stack, email: str, plan: str, name: str | None = None, limits: Mapping[str, int] | None = None
) -> dict[str, str]:
    """Make an account with its first user and API key, as an operator would on AWS.

    `limits` are an enterprise account's own, requests per window by API, in place of its plan's.
    Returns account_id, subscription_id, user_id, email, plan, api_key, client_id and client_secret; the key and the
    secret are shown this once.
    LocalError has the function's own words where it refuses.
    """
    function = stack.resources.get("CreateAccountFunction")
    if function is None:
        raise LocalError("the stack has no CreateAccountFunction")
    request = {"email": email, "name": name or email.partition("@")[0], "plan": plan, "limits": dict(limits or {})}
    answer = aws.client("lambda", stack.port).invoke(FunctionName=function, Payload=json.dumps(request))
    payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        reason = payload.get("errorMessage", "no reason given")
        raise LocalError(f"the account could not be made: {reason} (see {stack.log})")
    if "error" in payload:
        raise LocalError(f"the account could not be made: {payload['error']['message']}")
    account: dict[str, str] = payload
    return account


def _resources(port: int) -> dict[str, str]:
    """Physical id by logical id of all that is in the stack."""
    pages = aws.client("cloudformation", port).get_paginator("list_stack_resources").paginate(StackName=NAME)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }


def _api_name(logical_id: str) -> str:
    return logical_id.removesuffix("Api").lower()
