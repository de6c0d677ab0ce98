"""The sections group, with the editor's paths, through its handler, on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codefluss.wire.common import PROJECT
from fluvial import ids, sections
from fluvial.caller import Caller
from fluvial.element_types import SECTIONS
from fluvial.store import sections as store
from tests.codefluss.calls import Api, absent, events_of, gone, invalid, page_id, refusal, section_id
from tests.core.test_pages import first_this

EDITOR = "/editor/grid-sections-files"
HERO: dict[str, Any] = {
    "type": "hero",
    "name": "Welcome",
    "content": {
        "title": {"de": "Hallo", "en": "Hello"},
        "subtitle": "Bread\n\nand rolls",
        "image": {"src": "https://example.org/oven.jpg", "alt": {"de": "Ein Ofen", "en": "An oven"}},
        "actions": [{"text": "Order", "href": "#order"}],
    },
    "styles": {"background-color": "#fafafa", "padding": "2rem 1rem"},
    "responsive": {"md": {"visible": False}, "lg": {"styles": {"padding": "4rem"}}},
}


@pytest.fixture
def page(api: Api, project: str) -> str:
    return api.new_page(project)


def names(api: Api, page: str) -> list[str]:
    status, body = api.get(f"/pages/{page}/sections")
    assert status == 200, body
    return [section["name"] for section in body["data"]]


def test_a_created_section_is_answered_whole_and_stored(caller: Caller, api: Api, project: str, page: str) -> None:
    status, answer = api.post(f"/pages/{page}/sections", HERO)
    section = answer["data"]
    assert (status, answer) == (
        201,
        {
            "data": {
                "id": section["id"],
                "pageId": page,
                "projectId": project,
                "type": "hero",
                "name": "Welcome",
                "order": 0,
                "visible": True,
                "content": {**HERO["content"], "components": []},
                "styles": HERO["styles"],
                "responsive": HERO["responsive"],
                "createdAt": section["createdAt"],
                "updatedAt": section["createdAt"],
            }
        },
    )
    found = store.get(caller.account, section_id(section["id"]))
    assert found is not None
    stored, its_page, _ = found
    assert (stored.type, stored.content["title"], stored.styles) == ("hero", HERO["content"]["title"], HERO["styles"])
    assert (its_page.sections, its_page.revision) == ((stored.id,), 2)
    assert api.get(f"/sections/{section['id']}") == (200, {"data": section})
    assert events_of(caller) == ["project.created", "page.created", "page.updated"]


@pytest.mark.parametrize("type", SECTIONS)
def test_every_type_needs_no_content_and_is_called_by_its_type(api: Api, page: str, type: str) -> None:
    section = api.made(f"/pages/{page}/sections", {"type": type})
    assert (section["name"], section["content"], section["styles"], section["responsive"]) == (
        type,
        {"components": []},
        {},
        {},
    )


def test_sections_are_listed_from_top_to_bottom_and_go_where_order_says(api: Api, page: str) -> None:
    for name, order in (("B", None), ("D", None), ("A", 0), ("C", 2)):
        fields = {} if order is None else {"order": order}
        api.new_section(page, name=name, **fields)
    body = api.get(f"/pages/{page}/sections")[1]
    assert [(each["name"], each["order"]) for each in body["data"]] == [("A", 0), ("B", 1), ("C", 2), ("D", 3)]
    assert body["pagination"] == {"hasMore": False, "total": 4}
    for order in (-1, 5):
        status, refused = api.post(f"/pages/{page}/sections", {"type": "text", "order": order})
        assert (status, refused) == invalid("section", "order", "'order' must be 0-4 here")


def test_cursors_cover_the_page_and_one_whose_section_moved_away_says_so(api: Api, project: str, page: str) -> None:
    made = [api.new_section(page, name=f"S{number}") for number in range(3)]
    first = api.get(f"/pages/{page}/sections", limit="2")[1]
    cursor = first["pagination"]["nextCursor"]
    last = api.get(f"/pages/{page}/sections", limit="2", cursor=cursor)[1]
    assert [each["id"] for each in first["data"] + last["data"]] == made
    assert last["pagination"] == {"hasMore": False, "total": 3}
    assert api.post(f"/sections/{made[1]}/move", {"pageId": api.new_page(project, "Other")})[0] == 200
    reason = "What this cursor stood at is gone or was moved: read the list from its start"
    refused = refusal("VALIDATION_ERROR", "Invalid parameter 'cursor'", field="cursor", reason=reason)
    assert api.get(f"/pages/{page}/sections", cursor=cursor) == (400, refused)


def _with(component: dict[str, Any]) -> dict[str, Any]:
    return {"type": "custom", "content": {"components": [{"type": "columns", "components": [component]}]}}


AT = "content.components.0.components.0"
ONE_TEXT = 'text, or an object of 1-20 texts by language, such as {"en": "Hello"}'


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({}, "type", "'type' is required"),
        ({"type": "marquee"}, "type", f"'type' must be one of {', '.join(SECTIONS)}"),
        ({"type": "hero", "content": []}, "content", "'content' must be an object, not []"),
        ({"type": "hero", "visible": 1}, "visible", "'visible' must be true or false, not 1"),
        ({"type": "hero", "name": ""}, "name", "'name' must not be empty: it has to show something"),
        ({"type": "hero", "titel": "x"}, "titel", "'titel' is not a field of this request"),
        ({"type": "hero", "content": {"titel": "x"}}, "content.titel", "'titel' is not a field of 'content'"),
        ({"type": "hero", "content": {"title": 5}}, "content.title", f"'content.title' must be {ONE_TEXT}"),
        (
            {"type": "hero", "content": {"title": {"german": "x"}}},
            "content.title",
            "'german' in 'content.title' is not a language: write it as 'de' or 'de-CH'",
        ),
        ({"type": "hero", "content": {"title": {"de": 1}}}, "content.title.de", "'content.title.de' must be text"),
        (
            {"type": "hero", "content": {"image": {"src": "https://example.org/x.png"}}},
            "content.image.alt",
            "'content.image.alt' is missing",
        ),
        (
            {"type": "hero", "styles": {"position": "fixed"}},
            "styles",
            "'position' in 'styles' is not a CSS property that can be set",
        ),
        (
            {"type": "hero", "styles": {"color": "url(https://example.org)"}},
            "styles.color",
            "'styles.color' is not a value that can be set",
        ),
        ({"type": "hero", "responsive": {"xxl": {}}}, "responsive", "'xxl' is not a breakpoint"),
        (
            {"type": "hero", "responsive": {"md": {"styles": {"color": "red;}"}}}},
            "responsive.md.styles.color",
            "'responsive.md.styles.color' is not a value that can be set",
        ),
        (
            _with({"type": "blink"}),
            f"{AT}.type",
            f"'{AT}.type' must be one of heading, text, image, button, link, list, quote, divider, container, columns",
        ),
        (_with({"type": "heading"}), f"{AT}.content.text", f"'{AT}.content.text' is missing"),
        (_with({"type": "text", "colour": 1}), f"{AT}.colour", f"'colour' is not a field of '{AT}'"),
        (
            _with({"type": "button", "content": {"text": "x", "href": "javascript:alert(1)"}}),
            f"{AT}.content.href",
            None,
        ),
    ],
)
def test_what_a_section_cannot_have_is_refused_with_its_path(
    api: Api, page: str, fields: dict[str, Any], field: str, reason: str | None
) -> None:
    status, body = api.post(f"/pages/{page}/sections", fields)
    details = body["error"]["details"]
    assert (status, body) == invalid("section", field, details["reason"] if reason is None else reason)
    assert names(api, page) == []


def test_a_section_that_is_too_large_is_told_so(api: Api, page: str) -> None:
    components = [{"type": "text", "content": {"text": "x" * 9_000}} for _ in range(25)]
    status, body = api.post(f"/pages/{page}/sections", {"type": "custom", "content": {"components": components}})
    assert (status, body["error"]["code"], body["error"]["details"]) == (413, "PAYLOAD_TOO_LARGE", {"field": "content"})
    assert names(api, page) == []


def test_an_update_changes_only_what_it_names_and_null_empties(api: Api, page: str) -> None:
    section = api.made(f"/pages/{page}/sections", HERO)
    path = f"/sections/{section['id']}"
    status, body = api.put(path, {"visible": False, "content": {"title": "Hello"}})
    expected = {
        **section,
        "visible": False,
        "content": {"title": "Hello", "components": []},
        "updatedAt": body["data"]["updatedAt"],
    }
    assert (status, body) == (200, {"data": expected})
    assert api.put(path, {"styles": None, "responsive": None, "content": None})[1]["data"] == {
        **expected,
        "content": {"components": []},
        "styles": {},
        "responsive": {},
        "updatedAt": api.get(path)[1]["data"]["updatedAt"],
    }
    nothing = refusal("VALIDATION_ERROR", "Invalid request", reason="Give at least one field to change")
    assert api.put(path, {}) == (400, nothing)
    assert api.put(path, {"order": 1}) == invalid("section", "order", "'order' is not a field of this request")


def test_a_new_type_must_fit_the_content_that_is_there(api: Api, page: str) -> None:
    section = api.new_section(page, "hero", content={"title": "Hello", "subtitle": "There"})
    refused = invalid("section", "content.subtitle", "'subtitle' is not a field of 'content'")
    assert api.put(f"/sections/{section}", {"type": "text"}) == refused
    both = {"type": "text", "content": {"title": "Hello", "text": "There"}}
    assert api.put(f"/sections/{section}", both)[1]["data"]["type"] == "text"


def test_a_section_moves_on_its_page_and_to_another_of_the_project(api: Api, project: str, page: str) -> None:
    made = [api.new_section(page, name=name) for name in "ABC"]
    other = api.new_page(project, "Other")
    assert api.post(f"/sections/{made[2]}/move", {"order": 0})[1]["data"]["order"] == 0
    assert names(api, page) == ["C", "A", "B"]
    status, body = api.post(f"/sections/{made[0]}/move", {"pageId": other})
    assert (status, body["data"]["pageId"], body["data"]["order"]) == (200, other, 0)
    assert (names(api, page), names(api, other)) == (["C", "B"], ["A"])
    # Without a place it goes to the end.
    assert api.post(f"/sections/{made[2]}/move", {})[1]["data"]["order"] == 1
    assert names(api, page) == ["B", "C"]
    out = invalid("section", "order", "'order' must be 0-1 here")
    assert api.post(f"/sections/{made[0]}/move", {"pageId": other, "order": 1})[0] == 400
    assert api.post(f"/sections/{made[1]}/move", {"pageId": other, "order": 2}) == out


def test_a_section_stays_in_its_project(api: Api, stranger: Api, page: str) -> None:
    section = api.new_section(page)
    elsewhere = api.new_page(api.new_project("Another"))
    refused = invalid("section", "pageId", "A section moves within its project only")
    assert api.post(f"/sections/{section}/move", {"pageId": elsewhere}) == refused
    for missing in (absent(ids.PAGE), "nonsense", stranger.new_page(stranger.new_project())):
        assert api.post(f"/sections/{section}/move", {"pageId": missing}) == gone("page", missing, field="pageId")


def test_sections_get_a_new_order_that_names_each_of_them_once(api: Api, project: str, page: str) -> None:
    made = [api.new_section(page, name=name) for name in "ABC"]
    path = f"/pages/{page}/sections/order"
    answer = (200, {"data": {"pageId": page, "sectionIds": made[::-1]}})
    assert api.put(path, {"sectionIds": made[::-1]}) == answer
    assert names(api, page) == ["C", "B", "A"]
    foreign = api.new_section(api.new_page(project, "Other"))
    for given, reason in (
        (made[:2], f"'sectionIds' lacks {made[2]}"),
        ([*made, foreign], f"'sectionIds' has, though they are not of this page, {foreign}"),
        ([*made, made[0]], f"'sectionIds' has twice {made[0]}"),
    ):
        assert api.put(path, {"sectionIds": given}) == invalid("section", "sectionIds", reason)
    assert api.put(path, {"sectionIds": [made[0], "x"]}) == gone("section", "x", field="sectionIds.1")
    assert api.put(path, {"sectionIds": "x"}) == invalid(
        "section", "sectionIds", "'sectionIds' must be a list, not \"x\""
    )
    assert names(api, page) == ["C", "B", "A"]


def test_the_order_of_sections_is_the_page_s_and_if_match_names_its_revision(api: Api, page: str) -> None:
    made = [api.new_section(page) for _ in range(2)]
    assert api.send("GET", f"/pages/{page}")["multiValueHeaders"]["ETag"] == ['"3"']
    path, body = f"/pages/{page}/sections/order", {"sectionIds": made[::-1]}
    message = "The page was changed since you read it: read it again. It is at revision 3 now."
    assert api.put(path, body, If_Match='"2"') == (412, refusal("PRECONDITION_FAILED", message))
    changed = api.send("PUT", path, body=body, headers={"If-Match": '"3"'})
    assert (changed["statusCode"], changed["multiValueHeaders"]["ETag"]) == (200, ['"4"'])
    assert api.send("GET", f"/pages/{page}")["multiValueHeaders"]["ETag"] == ['"4"']


def test_sections_that_do_not_fit_into_one_answer_get_a_new_order_and_a_shorter_list(api: Api, page: str) -> None:
    large = {"components": [{"type": "text", "content": {"text": "ä" * 9_000}} for _ in range(10)]}
    made = [api.new_section(page, "custom", content=large) for _ in range(35)]
    status, body = api.put(f"/pages/{page}/sections/order", {"sectionIds": made[::-1]})
    assert (status, body["data"]["sectionIds"]) == (200, made[::-1])
    status, body = api.get(f"/pages/{page}/sections", limit="100")
    assert (status, body["error"]["code"], body["error"]["details"]) == (413, "PAYLOAD_TOO_LARGE", {"field": "limit"})
    assert len(api.get(f"/pages/{page}/sections", limit="5")[1]["data"]) == 5


def test_a_deleted_section_is_gone(caller: Caller, api: Api, page: str) -> None:
    made = [api.new_section(page, name=name) for name in "AB"]
    assert api.delete(f"/sections/{made[0]}") == (200, {"data": {"id": made[0], "deleted": True}})
    for method in ("GET", "DELETE"):
        assert api.call(method, f"/sections/{made[0]}") == gone("section", made[0])
    assert names(api, page) == ["B"]
    assert api.get(f"/sections/{made[1]}")[1]["data"]["order"] == 0


def test_the_editor_s_paths_do_the_same(api: Api, page: str) -> None:
    made = api.made(EDITOR, {"pageId": page, **HERO})
    assert api.get(f"/sections/{made['id']}")[1]["data"] == api.get(f"{EDITOR}/{made['id']}")[1]["data"] == made
    assert api.get(EDITOR, pageId=page) == api.get(f"/pages/{page}/sections")
    assert api.put(f"{EDITOR}/{made['id']}", {"name": "Changed"})[1]["data"]["name"] == "Changed"
    assert api.delete(f"{EDITOR}/{made['id']}") == (200, {"data": {"id": made["id"], "deleted": True}})
    assert names(api, page) == []


def test_the_editor_s_paths_need_a_page(api: Api) -> None:
    required = invalid("section", "pageId", "'pageId' is required")
    assert api.get(EDITOR) == required
    assert api.post(EDITOR, {"type": "text"}) == required
    in_camel_case = invalid("section", "pageId", "Names are in camel case: send 'pageId'")
    assert api.post(EDITOR, {"type": "text", "page_id": "x"}) == in_camel_case
    missing = absent(ids.PAGE)
    assert api.get(EDITOR, pageId=missing) == gone("page", missing)
    assert api.post(EDITOR, {"type": "text", "pageId": missing}) == gone("page", missing)
    assert api.get(EDITOR, pageId="x") == gone("page", "x", field="pageId")


def test_a_foreign_section_is_answered_like_an_absent_one_byte_for_byte(api: Api, stranger: Api, page: str) -> None:
    section, missing = api.new_section(page), absent(ids.SECTION)
    for method, path, body in (
        ("GET", f"/sections/{section}", None),
        ("PUT", f"/sections/{section}", {"name": "Theirs"}),
        ("DELETE", f"/sections/{section}", None),
        ("POST", f"/sections/{section}/move", {}),
        ("POST", f"/sections/{section}/components", {"component": {"type": "divider"}}),
        ("PUT", f"/sections/{section}/components/c1", {"type": "divider"}),
        ("DELETE", f"/sections/{section}/components/c1", None),
        ("POST", f"/sections/{section}/components/c1/move", {"parentId": None}),
        ("GET", f"{EDITOR}/{section}", None),
        ("PUT", f"{EDITOR}/{section}", {"name": "Theirs"}),
        ("DELETE", f"{EDITOR}/{section}", None),
    ):
        foreign = stranger.send(method, path, body=body)
        nobody_s = stranger.send(method, path.replace(section, missing), body=body)
        assert foreign["statusCode"] == nobody_s["statusCode"] == 404, (method, path)
        assert foreign["body"] == nobody_s["body"].replace(missing, section)
        assert set(foreign["multiValueHeaders"]) == set(nobody_s["multiValueHeaders"])


def test_keys_of_another_project_and_without_the_scope_do_not_reach_a_section(
    caller: Caller, api: Api, page: str
) -> None:
    section = api.new_section(page)
    other = Api(replace(caller, project=PROJECT.parse(api.new_project("Another"))))
    assert other.get(f"/sections/{section}") == gone("section", section)
    reader = Api(replace(caller, scopes=frozenset({"pages:read"})))
    assert reader.get(f"/sections/{section}")[0] == reader.get(EDITOR, pageId=page)[0] == 200
    lacks = (403, refusal("FORBIDDEN", "This API key lacks the scope 'pages:write'."))
    assert reader.post(f"/pages/{page}/sections", {"type": "text"}) == lacks
    assert reader.post(EDITOR, {"type": "text", "pageId": page}) == lacks
    assert reader.put(f"/sections/{section}", {"name": "No"}) == lacks
    assert reader.put(f"/pages/{page}/sections/order", {"sectionIds": []}) == lacks
    assert reader.post(f"/sections/{section}/move", {}) == lacks
    assert reader.delete(f"/sections/{section}") == lacks


def test_a_retry_makes_or_moves_a_section_once(api: Api, page: str) -> None:
    first_made = api.new_section(page, name="First")
    headers = {"Idempotency-Key": "k"}
    for path, body in (
        (f"/pages/{page}/sections", {"type": "text"}),
        (EDITOR, {"type": "text", "pageId": page}),
        (f"/sections/{first_made}/move", {"order": 1}),
    ):
        first, again = (api.send("POST", path, body=body, headers=headers) for _ in range(2))
        assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])
        assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
        status, refused = api.call("POST", path, body={**body, "order": 2}, headers=headers)
        assert (status, refused["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert names(api, page) == ["text", "First", "text"]


def test_of_two_writers_who_name_what_they_read_the_second_is_told(api: Api, page: str) -> None:
    path = f"/sections/{api.new_section(page)}"
    changed = api.send("PUT", path, body={"name": "First"}, headers={"If-Match": '"1"'})
    assert (changed["statusCode"], changed["multiValueHeaders"]["ETag"]) == (200, ['"2"'])
    message = "The section was changed since you read it: read it again. It is at revision 2 now."
    stale = (412, refusal("PRECONDITION_FAILED", message))
    headers = {"If-Match": '"1"'}
    assert api.call("PUT", path, body={"name": "Second"}, headers=headers) == stale
    assert api.call("POST", f"{path}/move", body={}, headers=headers) == stale
    assert api.call("DELETE", path, headers=headers) == stale
    assert api.get(path)[1]["data"]["name"] == "First"
    known = api.send("GET", path, headers={"If-None-Match": '"2"'})
    assert (known["statusCode"], known["body"] or "") == (304, "")


def test_two_writers_who_name_nothing_both_have_their_change(
    caller: Caller, api: Api, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = api.new_section(page)
    hidden = sections.Change(frozenset({"visible"}), visible=False)
    first_this(monkeypatch, lambda: sections.update(caller, section_id(section), hidden))
    assert api.put(f"/sections/{section}", {"name": "Ours"})[0] == 200
    data = api.get(f"/sections/{section}")[1]["data"]
    assert (data["name"], data["visible"]) == ("Ours", False)
    first_this(monkeypatch, lambda: sections.create(caller, page_id(page), type="text", name="Theirs"))
    api.new_section(page, name="Third")
    assert names(api, page) == ["Ours", "Theirs", "Third"]
