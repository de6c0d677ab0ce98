"""The tour that `make demo` gives: from nothing to a typed file, four APIs over it, a report, and verified webhooks."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from local import report, show, stack, windows
from local.client import Client
from local.progress import Bar, size_text
from local.receiver import Receiver, Request
from local.state import ROOT, LocalError, Stack
from local.upload import await_read
from local.warm import warming

SAMPLE = ROOT / "local" / "data" / "zipcodes.csv"
EMAIL = "demo@example.org"
PLAN = "professional"
EXPECTED_EVENTS = (
    "project.created",
    "data.uploaded",
    "data.processed",
    "analysis.created",
    "analysis.completed",
    "page.created",
    "site.published",
    "report.created",
    "report.generated",
)

ROWS_SHOWN = 5
WEBHOOKS_TIMEOUT_SECONDS = 30


def run(port: int, file: Path | None, *, once: bool) -> int:
    """Give the tour; exit status 0 where every step held. LocalError is the step that did not.

    The stack runs until Ctrl-C, with `once` until the end of the tour; afterwards it is gone either way.
    """
    began = time.monotonic()
    chosen = _check_file(file or SAMPLE)
    stack.check_port(port)
    # However it is ended, it stops its stack. SIGINT too: in the background of a script Python does not listen to it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)

    show.heading("Fluvial, whole, on this machine")
    try:
        with Receiver() as receiver:
            running = _start(port)
            _tour(running, receiver, chosen)
            show.heading(f"Done in {time.monotonic() - began:.1f} s")
            if not once:
                _watch(receiver)
    except KeyboardInterrupt:
        show.clear_progress()
        # Interrupted while it was still at work, it has not held.
        return 1
    finally:
        # A second Ctrl-C must not leave a server behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stopping = time.monotonic()
        if stack.down(port):
            show.step(f"stopped the stack on port {port}", stopping)
    return 0


def _check_file(file: Path) -> Path:
    """The file, if it can be read and is not empty."""
    try:
        with file.open("rb") as opened:
            if not opened.read(1):
                raise LocalError(f"{file} is empty")
    except OSError as error:
        raise LocalError(f"{file} cannot be read: {error.strerror}") from None
    return file


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _start(port: int) -> Stack:
    began = time.monotonic()
    show.progress("starting the local AWS, deploying template.yaml …")
    running = stack.up(port)
    count = len(running.resources)
    show.step(f"local AWS on port {port}, {count} resources from template.yaml", began)
    return running


def _tour(running: Stack, receiver: Receiver, file: Path) -> None:
    began = time.monotonic()
    show.progress("starting the functions …")
    with warming(running):
        account = stack.create_account(running, EMAIL, PLAN)
    show.step("functions started", began)
    show.step(f"account {account['account_id']} on the {account['plan']} plan, with an API key")
    client = Client(running.base_url("reference"), account["api_key"])

    began = time.monotonic()
    receiver.secret = client.post("/webhooks", {"url": receiver.url, "events": ["*"]})["secret"]
    show.step(f"webhooks go to a receiver on port {receiver.port}", began)

    began = time.monotonic()
    project = client.post("/projects", {"name": "Demo", "description": "Made by make demo"})
    show.step(f"project {project['id']}", began)

    dataset = _upload(client, project["id"], file)
    _show_dataset(client, dataset)
    preview = windows.look(running, account["api_key"], project, dataset)
    show.heading("A report over it")
    pages = report.generate(running, account, dataset)
    _await_webhooks(receiver)
    _show_what_next(client.base_url, account["api_key"], dataset, [preview, *pages])


def _upload(client: Client, project_id: str, file: Path) -> dict[str, Any]:
    """Upload the file and wait until it has been read; returns the dataset."""
    size = file.stat().st_size
    began = time.monotonic()
    dataset = client.upload(project_id, file, Bar(file.name, size))
    show.step(f"uploaded {file.name}, {size_text(size)}", began)
    return await_read(client, dataset, file.name, size)


def _show_dataset(client: Client, dataset: dict[str, Any]) -> None:
    columns = dataset["columns"]
    show.heading("Columns")
    show.table(
        ["name", "type", "why"],
        [[column["name"], column["type"], column.get("reason") or ""] for column in columns],
    )
    page = client.get(f"/data/{dataset['id']}/rows?page=1&per_page={ROWS_SHOWN}")
    if page["pagination"]["total"] != dataset["rows"]:
        raise LocalError(f"{page['pagination']['total']} rows can be read, of {dataset['rows']} that were loaded")
    show.heading(f"First rows of {dataset['rows']:,}")
    names = [column["name"] for column in columns]
    rows = [[row[name] for name in names] for row in page["data"]]
    show.table(
        names,
        [["–" if value is None else str(value) for value in row] for row in rows],
        right=[_is_number(column) for column in columns],
    )


def _await_webhooks(receiver: Receiver) -> None:
    show.heading("Webhooks")
    show.progress("waiting for webhooks …")
    complete = receiver.wait(
        lambda requests: {request.event for request in requests} >= set(EXPECTED_EVENTS),
        WEBHOOKS_TIMEOUT_SECONDS,
    )
    requests = list(receiver.requests)
    for request in requests:
        _show_webhook(request)
    forged = [request.id for request in requests if not request.verified]
    if forged:
        raise LocalError(f"{len(forged)} webhooks came with a signature that does not hold: {', '.join(forged)}")
    if not complete:
        missing = set(EXPECTED_EVENTS) - {request.event for request in requests}
        raise LocalError(f"no webhook within {WEBHOOKS_TIMEOUT_SECONDS} s for: {', '.join(sorted(missing))}")


def _show_webhook(request: Request) -> None:
    line = f"{request.event:<18}  {request.id:<25} "
    if request.verified:
        show.step(f"{line} signature verified")
    else:
        show.failed(f"{line} the signature does not hold")


def _show_what_next(base_url: str, key: str, dataset: dict[str, Any], pages: list[str]) -> None:
    authorized = 'curl -H "Authorization: Bearer $KEY"'
    data = f"$URL/data/{dataset['id']}"
    show.heading("Look at it in a browser")
    show.lines(f"{base_url}/docs", *pages)
    show.heading("Go on with")
    show.lines(
        f"export URL={base_url}",
        f"export KEY={key}",
        'curl "$URL/status"',
        f'{authorized} "$URL/projects"',
        f'{authorized} "{data}/rows?page=1&per_page=10"',
        *([f'{authorized} "{data}/rejects"'] if dataset["rejected_rows"] else []),
        f'{authorized} -H "Content-Type: application/json" \\',
        """  -d '{"name": "Mine", "description": "Made by me"}' "$URL/projects\"""",
    )


def _watch(receiver: Receiver) -> None:
    """Show every webhook that still comes, until Ctrl-C."""
    show.heading("Running until Ctrl-C. The webhooks of what you do appear here.")
    seen = len(receiver.requests)
    try:
        while True:
            receiver.wait_for_more(seen, timeout_seconds=1)
            new = receiver.requests[seen:]
            for request in new:
                _show_webhook(request)
            seen += len(new)
    except KeyboardInterrupt:
        show.end_line()


def _is_number(column: dict[str, Any]) -> bool:
    return str(column["type"]).startswith(("int", "dec", "float", "double", "number"))
