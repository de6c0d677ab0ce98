"""The two clients that the Flarelight document prints, unmodified, against the local stack.

`clients/integration_api.*.txt` are their text, with the usage examples. The document that we have has lost its
indentation, which Python needs: there it was put back, and nothing else was changed. Each runs in a process of its own,
Python's with requests and JavaScript's with Node's own fetch. Of the usage example only the line that makes the client
is replaced: it has a key and a base URL of nobody.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fluvial import ids
from local.receiver import Receiver
from tests.stack.conftest import Account, NewAccount
from tests.stack.test_end_to_end import subscribe, wait

pytestmark = pytest.mark.stack

CLIENTS = Path(__file__).with_name("clients")
PYTHON = (CLIENTS / "integration_api.py.txt").read_text()
JAVASCRIPT = (CLIENTS / "integration_api.js.txt").read_text()
MADE = {
    "python": "api = IntegrationAPI('your-api-key', 'your-subscription-id')\n",
    "javascript": "const api = new IntegrationAPI('your-api-key', 'your-subscription-id');\n",
}
LANGUAGES = ("python", "javascript")
TIMEOUT_SECONDS = 120


def run(language: str, account: Account, more: str = "", *, key: str | None = None) -> str:
    """What the client's example prints, made for this account, and what `more` of the same language does."""
    text = PYTHON if language == "python" else JAVASCRIPT
    given = json.dumps([account.key if key is None else key, account.subscription_id, account.base_url])
    made = MADE[language].replace("'your-api-key', 'your-subscription-id'", given[1:-1])
    assert text.count(MADE[language]) == 1
    text = text.replace(MADE[language], made) + more
    if language == "python":
        command = [sys.executable, "-c", text]
    else:
        node = shutil.which("node")
        assert node is not None, "these tests need Node: Debian's nodejs will do"
        command = [node, "--input-type=module", "--eval", text]
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(account: Account, id: str, count: int = 1) -> list[dict[str, Any]]:
    """The rows of an import, once there are so many."""
    found: dict[str, Any] = {}

    def there() -> bool:
        found.update(account.get(f"/Import/{id}/Data").json())
        return found["data"] is not None and found["data"]["total"] >= count

    wait(there, f"{id} does not have {count} rows")
    records: list[dict[str, Any]] = found["data"]["records"]
    return records


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_usage_example_imports_its_record(new_account: NewAccount, language: str) -> None:
    account = new_account().of("flarelight")
    said, _, id = run(language, account).strip().rpartition(" ")
    assert said == "Import ID:"
    assert ids.of_uuid(ids.DATASET, id) is not None
    assert rows(account, id) == [{"name": "John Doe"}]
    (listed,) = account.get("/Import/All").json()["data"]
    assert (listed["id"], listed["description"], listed["rowCount"]) == (id, None, 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_name_a_description_and_silence_are_honoured(new_account: NewAccount, language: str) -> None:
    account = new_account().of("flarelight")
    more = (
        "print(api.import_data([{'n': 9007199254740991}], 'Orders', 'By day', False)['data']['id'])\n"
        if language == "python"
        else "console.log((await api.importData([{n: 9007199254740991}], 'Orders', 'By day', false)).data.id);\n"
    )
    with Receiver() as receiver:
        subscribe(account.of("reference"), receiver, "data.processed")
        first, second = (line.split()[-1] for line in run(language, account, more).splitlines())
        assert rows(account, second) == [{"n": 9007199254740991}]
        rows(account, first)
        wait(lambda: len(receiver.requests) > 0, "the first import is told to nobody")
    told = [json.loads(request.body)["data"]["id"] for request in receiver.requests]
    assert told == [ids.spell(ids.DATASET, ids.of_uuid(ids.DATASET, first) or 0)]
    found = account.get(f"/Import/{second}").json()["data"]
    assert (found["name"], found["description"]) == ("Orders", "By day")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bad_key_is_answered_in_the_envelope(new_account: NewAccount, language: str) -> None:
    account = new_account().of("flarelight")
    more = (
        "import json\nprint(json.dumps(IntegrationAPI('bad', api.subscription_id, api.base_url).import_data([{}])))\n"
        if language == "python"
        else "const bad = new IntegrationAPI('bad', api.subscriptionId, api.baseUrl);\n"
        "console.log(JSON.stringify(await bad.importData([{}])));\n"
    )
    answer = json.loads(run(language, account, more).splitlines()[-1])
    assert answer["data"] is None
    (message,) = answer["messages"]
    assert (message["type"], message["code"]) == ("error", "UNAUTHORIZED")
