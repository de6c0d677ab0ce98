"""Stacks for the tests: each kind is started once per run, however many workers pytest-xdist has.

The first worker that asks starts it; the last one that ends stops it. Each test makes accounts of its own, so none
sees what another did.
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fluvial import ids
from local import aws
from local import stack as stacks
from local.state import Stack
from tests.contract.client import Client


@dataclass(frozen=True, slots=True)
class Account(Client):
    """An account of its own on a running stack, as a client of the reference API with its first key."""

    id: str = ""
    email: str = ""
    client_id: str = ""
    client_secret: str = ""
    stack: Stack | None = field(default=None, compare=False, repr=False)

    def of(self, api: str) -> Account:
        """The same account at another API."""
        assert self.stack is not None
        subscription = self.subscription_id if api == "flarelight" else None
        return replace(self, base_url=self.stack.base_url(api), subscription=subscription)

    @property
    def subscription_id(self) -> str:
        number = ids.parse(ids.ACCOUNT, self.id)
        assert number is not None
        return ids.uuid(ids.ACCOUNT, number)


NewAccount = Callable[..., Account]


@contextlib.contextmanager
def shared(name: str, folder: Path, *, auth: bool, at_end: Callable[[], None] = lambda: None) -> Iterator[Stack]:
    """The run's stack of this name. `folder` is one that all workers of the run have; the last one calls `at_end`."""
    users = folder / f"{name}-stack"
    with (folder / f"{name}-stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # One line with the port, and one character per worker that uses it.
        port, count = users.read_text().split("\n") if users.exists() else ("", "")
        running = stacks.find(int(port)) if count else stacks.up(0, auth=auth, current=False)
        users.write_text(f"{running.port}\n{count}+")
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield running
        finally:
            fcntl.flock(lock, fcntl.LOCK_EX)
            port, count = users.read_text().split("\n")
            users.write_text(f"{port}\n{count[1:]}")
            if len(count) == 1:
                stacks.down(running.port)
                at_end()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this run, the same for all workers."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def stack(run_folder: Path) -> Iterator[Stack]:
    with shared("open", run_folder, auth=False) as running:
        yield running


@pytest.fixture(scope="session")
def guarded_stack(run_folder: Path) -> Iterator[Stack]:
    """A stack in which IAM is enforced: every function can do only what template.yaml lets it."""
    with shared("guarded", run_folder, auth=True) as running:
        yield running


@pytest.fixture
def new_account(stack: Stack) -> NewAccount:
    def make(plan: str = "professional") -> Account:
        return account_on(stack, plan)

    return make


@pytest.fixture
def account(new_account: NewAccount) -> Account:
    return new_account()


def account_on(running: Stack, plan: str = "professional", name: str = "John Doe") -> Account:
    made = stacks.create_account(running, f"{secrets.token_hex(6)}@example.com", plan, name)
    return Account(
        running.base_url("reference"),
        made["api_key"],
        made["account_id"],
        made["email"],
        made["client_id"],
        made["client_secret"],
        running,
    )


def things_of(running: Stack, account: Account) -> Counter[str]:
    """How many things of each kind the account has in the table and in the bucket."""
    number = account.id.removeprefix("acc_")
    kinds = ("projects", "datasets", "uploads", "jobs", "events", "endpoints", "keys")
    dynamodb, s3 = aws.client("dynamodb", running.port), aws.client("s3", running.port)
    found = Counter[str]()
    for kind in kinds:
        found[kind] = dynamodb.query(
            TableName=running.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"a#{number}#{kind}"}},
            Select="COUNT",
        )["Count"]
    for folder in ("incoming", "sources", "datasets"):
        listed = s3.list_objects_v2(Bucket=running.bucket, Prefix=f"{folder}/{number}/")
        found[f"{folder}/"] = listed["KeyCount"]
    return found
