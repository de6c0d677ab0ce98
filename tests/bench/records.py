"""Pages of records out of the replica of a class: cold without and with a snapshot, warm, and warm after 100 writes.

Each page has 500 records of 10,000, 100,000 and 300,000, filtered by two fields and sorted by a third, with its exact
total; a third of all fit, and their ids go to the bucket, for the walk. The table is a dictionary that answers in
DynamoDB's own form and at once: the times are this process's own, what a call to AWS takes comes on top, and the calls
are counted. The bucket is moto's. Run: python tests/bench/records.py [sizes]. Prints medians.
"""

from __future__ import annotations

import bisect
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/core/python")]
os.environ.update(
    FLUVIAL_TABLE="records",
    FLUVIAL_BUCKET="records",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    FLUVIAL_MAX_RECORD_FILES_BYTES=str(4 * 1024**3),
)

from moto import mock_aws  # noqa: E402

from fluvial import clock, ids, record_filters, record_queries, record_replicas, record_snapshots  # noqa: E402
from fluvial.aws import client  # noqa: E402
from fluvial.caller import Caller  # noqa: E402
from fluvial.record_catalogue.grants import GRANT_REQUEST  # noqa: E402
from fluvial.record_classes import ModelClass  # noqa: E402
from fluvial.records import Record  # noqa: E402
from fluvial.store import keys, table  # noqa: E402
from fluvial.store import records as store  # noqa: E402
from fluvial.store.attributes import item_to_wire  # noqa: E402

SIZES = (10_000, 100_000, 300_000)
ROUNDS = 15
PAGE = 500
WRITES = 100
TARGET_WARM_MS = 200

ACCOUNT = 1
CALLER = Caller(ACCOUNT, 1, 1, "professional", frozenset("*"))
MODEL: ModelClass = GRANT_REQUEST
SCHEMA: Any = SimpleNamespace(model=lambda _: MODEL)
WORDS = ["water", "clean", "school", "river", "health", "rural", "women", "seed", "garden", "bridge", "library"]

Wire = dict[str, Any]


class Table:
    """As much of DynamoDB as records need, in memory; items lie there as they are sent."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Wire]] = {}
        self.order: dict[str, list[str]] = {}
        self.calls: Counter[str] = Counter()

    def put(self, key: table.Key, item: Wire) -> None:
        partition = self.items.setdefault(key[0], {})
        if key[1] not in partition:
            bisect.insort(self.order.setdefault(key[0], []), key[1])
        partition[key[1]] = item_to_wire({"pk": key[0], "sk": key[1], **item})

    def query(self, **asked: Any) -> Wire:
        self.calls["Query"] += 1
        values = asked["ExpressionAttributeValues"]
        partition = values[":p"]["S"]
        order = self.order.get(partition, [])
        start = bisect.bisect_left(order, values[":first"]["S"])
        found = order[start : start + asked["Limit"]]
        return {"Items": [self.items[partition][key] for key in found]}

    def batch_get_item(self, **asked: Any) -> Wire:
        self.calls["BatchGetItem"] += 1
        ((name, wanted),) = asked["RequestItems"].items()
        pairs = [(each["pk"]["S"], each["sk"]["S"]) for each in wanted["Keys"]]
        found = [self.items[pk][sk] for pk, sk in pairs if sk in self.items.get(pk, {})]
        return {"Responses": {name: found}}

    def transact_write_items(self, **asked: Any) -> None:
        for action in asked["TransactItems"]:
            item = action["Put"]["Item"]
            partition = self.items.setdefault(item["pk"]["S"], {})
            if item["sk"]["S"] not in partition:
                bisect.insort(self.order.setdefault(item["pk"]["S"], []), item["sk"]["S"])
            partition[item["sk"]["S"]] = item


def record(number: int, chance: random.Random) -> Record:
    """A grant request with some twenty fields set, about a kilobyte."""
    moment = clock.now() - chance.randrange(10**11)
    title = " ".join(chance.choices(WORDS, k=5)).title()
    values: dict[str, Any] = {
        "base_request_id": f"R-{number:07}",
        "project_title": title,
        "project_summary": " ".join(chance.choices(WORDS, k=60)),
        "amount_requested": Decimal(chance.randrange(10**8)) / 100,
        "amount_recommended": Decimal(chance.randrange(10**8)) / 100,
        "granted": chance.random() < 0.5,
        "multi_year": chance.random() < 0.2,
        "request_received_at": moment,
        "grant_begins_at": moment + clock.DAY,
        "extension_date": date.fromtimestamp(moment // 1000),
        "duration_in_months": chance.randrange(60),
        "spending_year": str(2000 + chance.randrange(26)),
        "program_organization_id": chance.randrange(5_000),
        "program_id": chance.randrange(40),
        "program_lead_id": chance.randrange(200),
        "grantee_user_id": chance.randrange(5_000),
        "state": chance.choice(MODEL.states),
        "migrate_id": str(number),
    }
    record_id = (moment - ids.EPOCH_MILLISECONDS) // 1000 * 10**6 + number
    return Record(abs(record_id) % ids.MAX_ID, ACCOUNT, MODEL.name, moment, moment, 1, 1, values)


def fill(fake: Table, size: int, chance: random.Random) -> list[Record]:
    made = [record(number, chance) for number in range(size)]
    partition = keys.records(ACCOUNT, MODEL.name)
    fake.items[partition] = {
        keys.number(each.id): item_to_wire({"pk": partition, "sk": keys.number(each.id), **store.to_item(MODEL, each)})
        for each in made
    }
    fake.order[partition] = sorted(fake.items[partition])
    return made


def query(number: int = 1) -> record_queries.Query:
    """A third of all: those of a half of the states that ask for more than a third of the highest amount."""
    given = {"group_type": "and", "conditions": [
        ["state", "eq", list(MODEL.states[:6])], ["amount_requested", "gt", "333333"],
    ]}  # fmt: skip
    condition = record_filters.parse(given, MODEL, SCHEMA, today=date.today(), fiscal_start=1)
    title = MODEL.field("project_title")
    assert title is not None
    return record_queries.Query(MODEL, condition, ((title, False),), None, number, PAGE)


def bench(size: int) -> None:
    chance = random.Random(size)
    fake = Table()
    table._dynamodb = lambda: fake  # type: ignore[assignment]
    record_replicas.forget_all()
    client("s3").delete_object(Bucket="records", Key=record_snapshots._key(ACCOUNT, MODEL.name))
    made = fill(fake, size, chance)
    found: list[record_queries.Found] = []

    def page(number: int = 1) -> None:
        found.append(record_queries.page(CALLER, SCHEMA, query(number), walk=f"bench {size}"))

    def whole() -> None:
        with record_replicas.opened(ACCOUNT, MODEL, patience_seconds=3600):
            pass

    def told(what: str, work: Callable[[], object], *, rounds: int = 1, before: Callable[[int], object] = int) -> float:
        wall, cpu = [], []
        for round in range(rounds):
            before(round)
            fake.calls.clear()
            started, started_cpu = time.perf_counter(), time.process_time()
            work()
            wall.append((time.perf_counter() - started) * 1000)
            cpu.append((time.process_time() - started_cpu) * 1000)
        calls = ", ".join(f"{count} {call}" for call, count in fake.calls.items())
        print(f"  {what:<24}{statistics.median(wall):8,.0f} ms {statistics.median(cpu):8,.0f} ms of CPU   {calls}")
        return statistics.median(wall)

    def write(round: int) -> None:
        for each in made[round * WRITES : (round + 1) * WRITES]:
            if not store.update(MODEL, replace(each, revision=2), None):
                raise SystemExit("the table refused a write")

    print(f"{size:,} records")
    told("read whole", whole)
    replica = record_replicas._replicas[ACCOUNT, MODEL.name]
    packed: list[int] = []
    told("making a snapshot", lambda: packed.append(record_snapshots.store(replica.table)))
    print(f"    {replica.table.path.stat().st_size / 1e6:.0f} MB on disk, {packed[0] / 1e6:.0f} MB in the bucket")
    record_replicas.forget_all()
    told("page, cold, of snapshot", page)
    warm = told("page, warm", page, rounds=ROUNDS)
    print(f"    {len(found[-1].records)} of {found[-1].total:,} records that fit")
    told("page 2, warm", lambda: page(2), rounds=ROUNDS)
    told(f"page, {WRITES} writes later", page, rounds=ROUNDS, before=write)
    print(f"    target of {TARGET_WARM_MS} ms warm: {'met' if warm <= TARGET_WARM_MS else 'missed'}")


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    with mock_aws():
        client("s3").create_bucket(Bucket="records")
        for size in sizes:
            bench(size)


if __name__ == "__main__":
    main()
