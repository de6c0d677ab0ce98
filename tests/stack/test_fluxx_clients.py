"""A client of the Fluxx API that others made, unmodified, against the local stack: `fluxx_wrapper`, its library and
its command `fluxx-cli`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import Account
from tests.stack.fluxx_front import front

pytestmark = pytest.mark.stack

INSTANCE = "demo"
TIMEOUT_SECONDS = 120
COMMAND = Path(sys.executable).with_name("fluxx-cli")

Run = Callable[..., str]


@pytest.fixture
def run(account: Account, tmp_path: Path) -> Iterator[Run]:
    """Runs a command as somebody who set the client up for this account, and returns what it prints."""
    with front(account.of("fluxx").base_url, INSTANCE, tmp_path) as led:
        environment = {
            "PATH": os.environ["PATH"],
            "DEMO_INSTANCE": INSTANCE,
            "DEMO_CLIENT": account.client_id,
            "DEMO_SECRET": account.client_secret,
            **led.environment,
        }

        def run(*command: str, sent: str | None = None) -> str:
            done = subprocess.run(
                command,
                env=environment,
                cwd=tmp_path,
                input=sent,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run


def python(run: Run, text: str) -> Any:
    """What a script prints as JSON, that has the library's client as `client`."""
    made = "import json, fluxx\nfrom fluxx import FluxxClient\nclient = FluxxClient.from_env('demo')\n"
    return json.loads(run(sys.executable, "-c", made + text))


def cli(run: Run, *arguments: str, sent: object = None) -> Any:
    return json.loads(run(str(COMMAND), "--instance=demo", *arguments, sent=None if sent is None else json.dumps(sent)))


def test_the_library_creates_gets_lists_updates_and_deletes(run: Run) -> None:
    said = python(
        run,
        """
made = client.create('organization', {'Name': 'Ocean Trust', 'City': 'Lisbon', 'Phone': '1'})
got = client.get('organization', made['id'], ['name', 'city', 'created_at'])
changed = client.update('organization', made['id'], {'City': 'Porto', 'Phone': ''})
listed = client.list('organization', ['city', 'phone'], fltr=['city', 'eq', 'Porto'])
gone = client.delete('organization', made['id'])
after = client.list('organization', ['name'])
left = client.get('organization', made['id'], ['name'])
print(json.dumps([made, got, changed, listed, gone, after, left]))
""",
    )
    made, got, changed, listed, gone, after, left = said
    assert isinstance(made["id"], int)
    assert got.pop("created_at").endswith("Z")
    assert got == {"id": made["id"], "name": "Ocean Trust", "city": "Lisbon"}
    assert changed["id"] == made["id"]
    assert listed == [{"id": made["id"], "city": "Porto"}]
    assert gone == left == {"id": made["id"]}
    assert after == []


def test_the_library_tells_what_is_wrong(run: Run) -> None:
    said = python(
        run,
        """
found = []
for what in (
    lambda: client.create('grant_request', {'amount_requested': 'abc'}),
    lambda: client.list('unheard_of', ['id']),
    lambda: client.list('organization', ['id'], fltr=['name', 'resembles', 'x']),
):
    try:
        what()
        found.append(None)
    except fluxx.FluxxError as error:
        found.append([error.code, error.message])
print(json.dumps(found))
""",
    )
    (wrong, reasons), (unknown, name), (operator, about) = said
    assert wrong == unknown == operator == 100
    assert "must be a number" in json.loads(reasons)["amount_requested"][0]
    assert "uninitialized constant UnheardOf" in name
    assert "resembles" in about


def test_a_bad_secret_is_told_so_and_an_unknown_client_alike(run: Run) -> None:
    said = run(
        sys.executable,
        "-c",
        "import fluxx, os\n"
        "for client in (os.environ['DEMO_CLIENT'], 'nobody'):\n"
        "    try:\n"
        "        fluxx.FluxxClient('demo', client, 'wrong')\n"
        "    except IOError as error:\n"
        "        print(error)\n",
    )
    first, second = said.splitlines()
    assert first == second
    assert "client" in first


def test_a_custom_class_is_defined_and_used_by_the_library(run: Run) -> None:
    said = python(
        run,
        """
made = client.create('machine_model_type', {'name': 'Site Visits'})
kind = client.get('machine_model_type', made['id'], ['model_type', 'name'])
field = client.create('model_attribute', {
    'model_type': kind['model_type'], 'name': 'guests', 'description': 'Guests', 'attribute_type': 'integer'})
visit = client.create('mac_model_type_dyn_site_visits', {'guests': 7})
listed = client.list('mac_model_type_dyn_site_visits', ['guests'], fltr=['guests', 'gt', 5])
gone = client.delete('mac_model_type_dyn_site_visits', visit['id'])
after = client.list('mac_model_type_dyn_site_visits', ['guests'])
print(json.dumps([kind, visit, listed, after]))
""",
    )
    kind, visit, listed, after = said
    assert kind["model_type"] == "MacModelTypeDynSiteVisits"
    assert visit["type"] == "MacModelTypeDynSiteVisits"
    assert listed == [{"id": visit["id"], "type": "MacModelTypeDynSiteVisits", "guests": 7}]
    assert after == []


def test_the_command_writes_lists_and_deletes(run: Run) -> None:
    names = [f"Program {number}" for number in range(12)]
    made = cli(run, "write", "program", sent=[{"Name": name, "Description": "of the test"} for name in names])
    assert [each["error"] for each in made] == [None] * len(names)
    listed = cli(run, "list", "program", '["name"]', '--filter=["description","eq","of the test"]')
    assert sorted(each["name"] for each in listed) == sorted(names)
    assert {each["id"] for each in listed} == {each["id"] for each in made}
    paged = [
        each["id"]
        for page in (1, 2, 3)
        for each in cli(run, "list", "program", '["name"]', f"--page={page}", "--per_page=5")
    ]
    assert sorted(paged) == sorted(each["id"] for each in made)
    changed = cli(run, "write", "program", sent=[{"id": made[0]["id"], "name": "Renamed"}, {"name": "Thirteenth"}])
    assert changed[0] == {"index": 0, "id": made[0]["id"], "error": None}
    assert cli(run, "list", "program", '["name"]', '--filter=["name","eq","Renamed"]') == [
        {"id": made[0]["id"], "name": "Renamed"}
    ]
    cli(run, "write", "program", "--delete", sent=[{"id": each["id"]} for each in made])
    assert [each["name"] for each in cli(run, "list", "program", '["name"]')] == ["Thirteenth"]


def test_the_command_tells_the_reasons_of_each_record_that_is_refused(run: Run) -> None:
    said = cli(run, "write", "user", sent=[{"first_name": "Ana", "last_name": "Reis"}, {"first_name": "Nobody"}])
    assert said[0]["error"] is None
    assert "last_name" in said[1]["error"]
    assert len(cli(run, "list", "user", '["full_name"]', '--filter=["first_name","eq","Ana"]')) == 1
