"""The components group through its handler, on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import elements, sections
from fluvial.caller import Caller
from fluvial.store import sections as store
from tests.codefluss.calls import Api, gone, invalid, refusal, section_id
from tests.core.test_pages import first_this

HEADING = {"type": "heading", "content": {"text": "Bread"}}
TEXT = {"type": "text", "content": {"text": "Fresh"}}


@pytest.fixture
def section(api: Api, project: str) -> str:
    """A section with c1, a container, with c2, a heading, in it; and c3, a text, beside it."""
    components = [{"type": "container", "components": [HEADING]}, TEXT]
    return api.new_section(api.new_page(project), "custom", content={"components": components})


def outline(section: dict[str, Any]) -> list[Any]:
    """The ids of the components, those that are inside in lists behind their holder."""

    def of(components: list[dict[str, Any]]) -> list[Any]:
        found: list[Any] = []
        for each in components:
            found += [each["id"], of(each["components"])] if each["components"] else [each["id"]]
        return found

    return of(section["content"]["components"])


def test_an_added_component_has_all_fields_and_the_next_free_id(caller: Caller, api: Api, section: str) -> None:
    body = {"component": {**TEXT, "styles": {"color": "red"}}, "parentId": "c1", "order": 0}
    status, answer = api.post(f"/sections/{section}/components", body)
    data = answer["data"]
    assert (status, outline(data)) == (201, ["c1", ["c4", "c2"], "c3"])
    assert data["content"]["components"][0]["components"][0] == {
        "id": "c4",
        "type": "text",
        "visible": True,
        "content": {"text": "Fresh"},
        "styles": {"color": "red"},
        "responsive": {},
        "components": [],
    }
    assert api.get(f"/sections/{section}") == (200, {"data": data})
    found = store.get(caller.account, section_id(section))
    assert found is not None
    assert (found[0].content, found[0].revision) == (data["content"], 2)


def test_a_component_brings_its_own_id_and_others_in_it(api: Api, section: str) -> None:
    component = {"id": "grid", "type": "columns", "content": {"count": 3}, "components": [HEADING, TEXT]}
    data = api.made(f"/sections/{section}/components", {"component": component})
    assert outline(data) == ["c1", ["c2"], "c3", "grid", ["c4", "c5"]]
    taken = {"component": {"id": "grid", "type": "divider"}}
    assert api.post(f"/sections/{section}/components", taken) == invalid(
        "component", "content.components.3.id", "'content.components.3.id' is the id of 'content.components.2.id', too"
    )


def test_a_replaced_component_keeps_its_place_and_its_id(api: Api, section: str) -> None:
    status, answer = api.put(f"/sections/{section}/components/c1", {**TEXT, "visible": False})
    assert (status, outline(answer["data"])) == (200, ["c1", "c3"])
    replaced = answer["data"]["content"]["components"][0]
    assert (replaced["type"], replaced["visible"], replaced["content"]) == ("text", False, {"text": "Fresh"})
    assert api.put(f"/sections/{section}/components/c3", {"id": "c3", **TEXT}) == invalid(
        "component", "id", "'id' is not a field of this request"
    )


def test_a_component_moves_with_all_in_it(api: Api, section: str) -> None:
    path = f"/sections/{section}/components"
    assert outline(api.made(f"{path}/c3/move", {"parentId": "c1", "order": 0})) == ["c1", ["c3", "c2"]]
    status, answer = api.post(f"{path}/c2/move", {"parentId": None, "order": 0})
    assert (status, outline(answer["data"])) == (200, ["c2", "c1", ["c3"]])
    assert outline(api.made(f"{path}/c2/move", {"parentId": None})) == ["c1", ["c3"], "c2"]
    assert api.post(f"{path}/c2/move", {}) == invalid("component", "parentId", "'parentId' is required")


def test_a_removed_component_takes_what_is_in_it_along(api: Api, section: str) -> None:
    status, answer = api.delete(f"/sections/{section}/components/c1")
    assert (status, outline(answer["data"])) == (200, ["c3"])
    for name in ("c1", "c2", "none"):
        assert api.delete(f"/sections/{section}/components/{name}") == gone("component", name)
        assert api.put(f"/sections/{section}/components/{name}", TEXT) == gone("component", name)
        assert api.post(f"/sections/{section}/components/{name}/move", {"parentId": None}) == gone("component", name)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({}, "component", "'component' is required"),
        ({"component": "text"}, "component", "'component' must be an object, not \"text\""),
        (
            {"component": {"type": "blink"}},
            "content.components.2.type",
            "'content.components.2.type' must be one of heading, text, image, button, link, list, quote, divider, "
            "container, columns",
        ),
        (
            {"component": {"type": "heading", "content": {"text": "x", "level": 1}}, "parentId": "c1"},
            "content.components.0.components.1.content.level",
            "'content.components.0.components.1.content.level' must be one of 2, 3, 4, 5, 6",
        ),
        ({"component": TEXT, "parentId": "c9"}, "parentId", "No component of this section has this id"),
        ({"component": TEXT, "parentId": "c3"}, "parentId", "A component of the type 'text' holds no others"),
        ({"component": TEXT, "order": 3}, "order", "'order' must be 0-2 here"),
        ({"component": TEXT, "order": -1}, "order", "'order' must be 0-2 here"),
        ({"component": TEXT, "parent_id": "c1"}, "parentId", "Names are in camel case: send 'parentId'"),
    ],
)
def test_what_cannot_be_added_is_refused_with_its_path(
    api: Api, section: str, body: dict[str, Any], field: str, reason: str
) -> None:
    before = api.get(f"/sections/{section}")
    assert api.post(f"/sections/{section}/components", body) == invalid("component", field, reason)
    assert api.get(f"/sections/{section}") == before


def test_a_component_does_not_go_into_itself_nor_too_deep(api: Api, section: str) -> None:
    path = f"/sections/{section}/components"
    for parent in ("c1", "c2"):
        refused = invalid("component", "parentId", "A component cannot be moved into itself")
        assert api.post(f"{path}/c1/move", {"parentId": parent}) == refused
    inner = "c1"
    for depth in range(2, elements.MAX_DEPTH + 1):
        api.made(path, {"component": {"id": f"d{depth}", "type": "container"}, "parentId": inner})
        inner = f"d{depth}"
    status, body = api.post(path, {"component": TEXT, "parentId": inner})
    assert (status, body["error"]["details"]["reason"]) == (400, "Components are at most 6 deep")


def test_a_retry_adds_or_moves_a_component_once(api: Api, section: str) -> None:
    headers = {"Idempotency-Key": "k"}
    path = f"/sections/{section}/components"
    for route, body in ((path, {"component": TEXT}), (f"{path}/c3/move", {"parentId": "c1"})):
        first, again = (api.send("POST", route, body=body, headers=headers) for _ in range(2))
        assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])
        assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
        status, refused = api.call("POST", route, body={**body, "order": 0}, headers=headers)
        assert (status, refused["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert outline(api.get(f"/sections/{section}")[1]["data"]) == ["c1", ["c2", "c3"], "c4"]


def test_all_components_share_the_revision_of_their_section(api: Api, section: str) -> None:
    path, headers = f"/sections/{section}/components", {"If-Match": '"1"'}
    changed = api.send("PUT", f"{path}/c3", body=HEADING, headers=headers)
    assert (changed["statusCode"], changed["multiValueHeaders"]["ETag"]) == (200, ['"2"'])
    message = "The section was changed since you read it: read it again. It is at revision 2 now."
    stale = (412, refusal("PRECONDITION_FAILED", message))
    assert api.call("PUT", f"{path}/c2", body=TEXT, headers=headers) == stale
    assert api.call("POST", path, body={"component": TEXT}, headers=headers) == stale
    assert api.call("POST", f"{path}/c2/move", body={"parentId": None}, headers=headers) == stale
    assert api.call("DELETE", f"{path}/c2", headers=headers) == stale
    assert outline(api.get(f"/sections/{section}")[1]["data"]) == ["c1", ["c2"], "c3"]


def test_two_who_add_at_once_both_have_their_component(
    caller: Caller, api: Api, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_this(monkeypatch, lambda: sections.add_component(caller, section_id(section), {**TEXT, "id": "theirs"}))
    data = api.made(f"/sections/{section}/components", {"component": {**TEXT, "id": "ours"}})
    assert outline(data) == ["c1", ["c2"], "c3", "theirs", "ours"]


def test_a_key_that_only_reads_changes_no_component(caller: Caller, section: str) -> None:
    reader = Api(replace(caller, scopes=frozenset({"pages:read"})))
    lacks = (403, refusal("FORBIDDEN", "This API key lacks the scope 'pages:write'."))
    path = f"/sections/{section}/components"
    assert reader.post(path, {"component": TEXT}) == lacks
    assert reader.put(f"{path}/c3", TEXT) == lacks
    assert reader.delete(f"{path}/c3") == lacks
    assert reader.post(f"{path}/c3/move", {"parentId": None}) == lacks
