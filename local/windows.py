"""The part of the tour that looks at one project through three APIs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from local import show
from local.client import Client
from local.state import LocalError, Stack

TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.1
GROUPS_SHOWN = 5

PAGE = {"title": "Welcome", "status": "published", "seo": {"description": "Made by make demo"}}


def look(running: Stack, key: str, project: dict[str, Any], dataset: dict[str, Any]) -> str:
    """Show the project as each API sees it, analysed in one, published in another; returns the preview's address."""
    reference, fluxjiva, codefluss = (
        Client(running.base_url(api), key) for api in ("reference", "fluxjiva", "codefluss")
    )
    show.heading("The same project through three windows")
    number = project["id"].partition("_")[2]
    seen = reference.get(f"/projects/{project['id']}")
    show.step(f"reference  {seen['id']}  {seen['name']}")
    seen = fluxjiva.get(f"/projects/{project['id']}")["data"]
    source = seen["data_sources"][0]
    show.step(f"Fluxjiva   {seen['id']}  {source['id']} with {dataset['rows']:,} rows")
    seen = codefluss.get(f"/projects/{project['id']}")["data"]
    show.step(f"Codefluss  {seen['id']}  slug {seen['slug']}, {seen['status']}")
    if not seen["id"].endswith(number) or source["id"].partition("_")[2] != dataset["id"].partition("_")[2]:
        raise LocalError("the windows show different things")
    _analyse(fluxjiva, project["id"], source["id"], dataset["columns"])
    return _publish(codefluss, project["id"], dataset)


def _analyse(client: Client, project_id: str, source_id: str, columns: list[dict[str, Any]]) -> None:
    """Count the rows by the last column of text, as the column that says most about a file tends to be."""
    texts = [column["name"] for column in columns if column["type"] == "text"] or [columns[0]["name"]]
    query = {
        "group_by": [texts[-1]],
        "aggregates": [{"function": "count", "as": "rows_of_it"}],
        "sort": [{"by": "rows_of_it", "order": "desc"}],
    }
    began = time.monotonic()
    path = f"/projects/{project_id}/analyses"
    analysis = client.post(path, {"name": "Rows by group", "data_source_id": source_id, "query": query})["data"]
    client.post(f"{path}/{analysis['id']}/run")
    ended = _await(
        "the analysis", lambda: client.get(f"{path}/{analysis['id']}")["data"], done="completed", failed="failed"
    )
    show.step(f"Fluxjiva   {ended['id']} ran: {ended['result']['groups_total']:,} groups", began)
    result = client.get(f"{path}/{analysis['id']}/result?limit={GROUPS_SHOWN}")
    names = [column["name"] for column in result["meta"]["columns"]]
    show.table(names, [[str(row[name]) for name in names] for row in result["data"]], right=[False, True])


def _publish(client: Client, project_id: str, dataset: dict[str, Any]) -> str:
    """Publish one page about the data; returns the preview's address."""
    began = time.monotonic()
    page = client.post(f"/projects/{project_id}/pages", PAGE)["data"]
    hero = {
        "title": {"en": "Typed, whole, and yours", "de": "Typisiert, ganz und Ihres"},
        "subtitle": {
            "en": f"{dataset['filename']}: {dataset['rows']:,} rows, {dataset['rejected_rows']:,} rejected.",
            "de": f"{dataset['filename']}: {dataset['rows']:,} Zeilen, {dataset['rejected_rows']:,} zurückgewiesen.",
        },
    }
    facts = {"items": [{"value": column["type"], "label": column["name"]} for column in dataset["columns"][:12]]}
    for section in ({"type": "hero", "content": hero}, {"type": "stats", "content": facts}):
        client.post(f"/pages/{page['id']}/sections", section)
    version = client.post(f"/projects/{project_id}/publish", {"note": "The demo's"})["data"]
    path = f"/projects/{project_id}/versions/{version['version']}"
    _await("the site", lambda: client.get(path)["data"], done="ready", failed="failed")
    link = client.post(f"{path}/preview")["data"]["url"]
    show.step(f"Codefluss  version {version['version']} of the site is published", began)
    return str(link)


def _await(what: str, look: Callable[[], dict[str, Any]], *, done: str, failed: str) -> dict[str, Any]:
    """Ask until the thing's status says that it is done."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        thing = look()
        if thing["status"] == done:
            return thing
        if thing["status"] == failed:
            raise LocalError(f"{what} failed: {thing['error']}")
        if time.monotonic() > deadline:
            raise LocalError(f"{what} was not done within {TIMEOUT_SECONDS} s")
        show.progress(f"waiting for {what} …")
        time.sleep(POLL_SECONDS)
