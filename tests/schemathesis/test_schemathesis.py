"""Schemathesis (https://schemathesis.io) against each API over HTTP: all its checks, no failure.

It makes requests out of the OpenAPI document, fitting and unfitting ones, and compares the answers with what the
document says. The same requests each time; FLUVIAL_EXAMPLES=200 makes more of them. What it may find is in `hooks.py`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from fluvial import limits
from local import stack as stacks
from local.openapi import apis
from local.state import Stack
from tests.schemathesis import seeds
from tests.stack.conftest import Account

pytestmark = pytest.mark.stack

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("FLUVIAL_EXAMPLES", "8")
UNLIMITED = dict.fromkeys(limits.NAMES, 1_000_000)
TIMEOUT_SECONDS = 1_800


@pytest.mark.parametrize("api", apis.names())
def test_schemathesis_finds_nothing(stack: Stack, api: str, tmp_path: Path) -> None:
    email = f"{secrets.token_hex(6)}@example.com"
    made = stacks.create_account(stack, email, "enterprise", limits=UNLIMITED)
    account = Account(stack.base_url("reference"), made["api_key"], made["account_id"], email, stack=stack)
    ids = seeds.made(account)
    document = tmp_path / "openapi.json"
    document.write_text(
        json.dumps(seeds.with_examples(json.loads((apis.FUNCTIONS / api / "openapi.json").read_text()), ids))
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FLUVIAL_"))},
        "FLUVIAL_KEY": made["api_key"],
        "FLUVIAL_SUBSCRIPTION": made["subscription_id"],
        "FLUVIAL_SEED": json.dumps({"kept": [*ids.values(), made["user_id"]]}),
        "SCHEMATHESIS_HOOKS": "tests.schemathesis.hooks",
        "PYTHONPATH": str(apis.ROOT),
    }
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", str(document), "--url", stack.base_url(api), "--checks", "all", "--max-examples", EXAMPLES),
    ]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
