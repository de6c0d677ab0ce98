"""What sections and components may hold."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial import components, css, elements
from fluvial.element_types import COMPONENTS, SECTIONS
from fluvial.errors import InvalidError, NotFoundError, TooLargeError

HEADING = {"type": "heading", "content": {"text": "Hello"}}


def check(content: Any, type: str = "custom", styles: Any = None, responsive: Any = None) -> dict[str, Any]:
    checked, _, _ = elements.checked_section(
        type=type,
        name="A section",
        visible=True,
        content=content,
        styles={} if styles is None else styles,
        responsive={} if responsive is None else responsive,
    )
    return checked


def refused(content: Any, type: str = "custom", **other: Any) -> InvalidError:
    with pytest.raises(InvalidError) as found:
        check(content, type, **other)
    return found.value


def nested(depth: int) -> dict[str, Any]:
    component: dict[str, Any] = copy.deepcopy(HEADING)
    for _ in range(depth - 1):
        component = {"type": "container", "components": [component]}
    return component


def test_a_checked_component_has_all_fields_and_an_id_that_no_other_has() -> None:
    sent = [{"type": "container", "components": [HEADING, {**HEADING, "id": "c1"}]}, {**HEADING, "visible": False}]
    before = copy.deepcopy(sent)
    rest = {"styles": {}, "responsive": {}, "components": []}
    assert check({"components": sent}) == {
        "components": [
            {
                "id": "c2",
                "type": "container",
                "visible": True,
                "content": {},
                "styles": {},
                "responsive": {},
                "components": [
                    {"id": "c3", "type": "heading", "visible": True, "content": {"text": "Hello"}, **rest},
                    {"id": "c1", "type": "heading", "visible": True, "content": {"text": "Hello"}, **rest},
                ],
            },
            {"id": "c4", "type": "heading", "visible": False, "content": {"text": "Hello"}, **rest},
        ]
    }
    assert sent == before


def test_checking_again_changes_nothing() -> None:
    once = check({"components": [nested(4), HEADING]})
    assert check(copy.deepcopy(once)) == once


@pytest.mark.parametrize("type", SECTIONS)
def test_every_type_of_section_may_be_empty(type: str) -> None:
    assert check({}, type) == {"components": []}


@pytest.mark.parametrize(
    ("type", "content", "field"),
    [
        ("nope", {}, "type"),
        ("hero", [], "content"),
        ("hero", {"titel": "x"}, "content.titel"),
        ("hero", {"title": 1}, "content.title"),
        ("hero", {"title": {}}, "content.title"),
        ("hero", {"title": {"german": "x"}}, "content.title"),
        ("hero", {"title": {"de": 1}}, "content.title.de"),
        ("hero", {"title": {"de": "a\x00b"}}, "content.title.de"),
        ("hero", {"title": "a\nb"}, "content.title"),
        ("hero", {"title": "x" * 201}, "content.title"),
        ("hero", {"subtitle": "a\x1bb"}, "content.subtitle"),
        ("hero", {"subtitle": "\ud800"}, "content.subtitle"),
        ("hero", {"image": {"src": "/a.png"}}, "content.image.alt"),
        ("hero", {"image": {"alt": "x"}}, "content.image.src"),
        ("hero", {"image": {"src": "mailto:a@b", "alt": ""}}, "content.image.src"),
        ("hero", {"actions": [{"text": "Go", "href": "javascript:alert(1)"}]}, "content.actions.0.href"),
        ("hero", {"actions": {"text": "Go"}}, "content.actions"),
        ("hero", {"actions": [{"text": "x", "href": "/"}] * 4}, "content.actions"),
        ("pricing", {"items": [{"name": "A", "price": "1", "highlighted": 1}]}, "content.items.0.highlighted"),
        ("faq", {"items": [{"question": "Why?"}]}, "content.items.0.answer"),
        ("custom", {"components": {}}, "content.components"),
        ("custom", {"components": ["x"]}, "content.components.0"),
        ("custom", {"components": [{}]}, "content.components.0.type"),
        ("custom", {"components": [{"type": ["heading"]}]}, "content.components.0.type"),
        ("custom", {"components": [{"type": "html", "content": {}}]}, "content.components.0.type"),
        ("custom", {"components": [{**HEADING, "onclick": "x"}]}, "content.components.0.onclick"),
        ("custom", {"components": [{"type": "heading", "content": {}}]}, "content.components.0.content.text"),
        (
            "custom",
            {"components": [{"type": "heading", "content": {"text": "x", "level": 1}}]},
            "content.components.0.content.level",
        ),
        (
            "custom",
            {"components": [{"type": "heading", "content": {"text": "x", "level": 2.0}}]},
            "content.components.0.content.level",
        ),
        (
            "custom",
            {"components": [HEADING, HEADING, {"type": "columns", "components": [{"type": "x"}]}]},
            "content.components.2.components.0.type",
        ),
        ("custom", {"components": [{**HEADING, "components": [HEADING]}]}, "content.components.0.components"),
        ("custom", {"components": [{**HEADING, "visible": "yes"}]}, "content.components.0.visible"),
        ("custom", {"components": [{**HEADING, "id": ""}]}, "content.components.0.id"),
        ("custom", {"components": [{**HEADING, "id": "a b"}]}, "content.components.0.id"),
        ("custom", {"components": [{**HEADING, "id": "a\n"}]}, "content.components.0.id"),
        ("custom", {"components": [{**HEADING, "styles": {"position": "fixed"}}]}, "content.components.0.styles"),
        (
            "custom",
            {"components": [{**HEADING, "responsive": {"md": {"styles": {"color": "url(x)"}}}}]},
            "content.components.0.responsive.md.styles.color",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_place(type: str, content: Any, field: str) -> None:
    error = refused(content, type)
    assert error.field == field
    assert error.reason


def test_an_id_is_used_once_in_a_section() -> None:
    inner = {"type": "container", "components": [{**HEADING, "id": "same"}]}
    error = refused({"components": [{**HEADING, "id": "same"}, inner]})
    assert (error.field, error.value) == ("content.components.1.components.0.id", "same")
    assert error.reason == "'content.components.1.components.0.id' is the id of 'content.components.0.id', too."


def test_components_are_at_most_six_deep_and_five_hundred() -> None:
    check({"components": [nested(6)]})
    error = refused({"components": [nested(7)]})
    assert error.field == ".".join(["content", *["components.0"] * 7])
    check({"components": [HEADING] * 500})
    assert refused({"components": [HEADING] * 501}).constraint == "at most 500 components"


def test_a_section_takes_at_most_200_kb_and_no_depth_breaks_the_check() -> None:
    text = {"type": "text", "content": {"text": "x" * 10_000}}
    with pytest.raises(TooLargeError) as found:
        check({"components": [text] * 21})
    assert (found.value.field, found.value.limit_bytes) == ("content", 200 * 1024)
    bottomless: dict[str, Any] = {}
    for _ in range(100_000):
        bottomless = {"a": bottomless}
    assert refused({"title": bottomless}).field in ("content", "content.title")


ADDRESSES = [
    "/about",
    "about/",
    "?a=b",
    "#team",
    "../x",
    "https://example.com/?a=1#b",
    "HTTP://example.com",
    "//cdn.example.com/x",
    "mailto:a@example.com",
    "tel:+49301",
]
HOSTILE_ADDRESSES = [
    "",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "\u00a0javascript:alert(1)",
    "\u200bjavascript:alert(1)",
    "javascript\u200b:alert(1)",
    "\uff4aavascript:alert(1)",
    "vbscript:x",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "blob:https://x/1",
    'https://x/" onmouseover="alert(1)',
    "https://x/<script>",
    "https://x/`",
    "\\\\evil.example",
    "x" * 2_001,
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_may_be_a_web_address_relative_a_fragment_mail_or_a_telephone(address: str) -> None:
    check({"links": [{"text": "Go", "href": address}]}, "footer")
    assert elements.may_link(address)


@pytest.mark.parametrize("address", HOSTILE_ADDRESSES)
def test_an_address_that_may_run_something_is_refused(address: str) -> None:
    assert refused({"links": [{"text": "Go", "href": address}]}, "footer").field == "content.links.0.href"
    assert not elements.may_link(address)


STYLES = "red|#fff|#ffcc0080|1rem|0|-1.5em|10px 2rem|rgb(0, 0, 0)|rgba(0, 0, 0, .5)|hsl(120 50% 50% / 50%)|flex-start"


@pytest.mark.parametrize("value", STYLES.split("|"))
def test_a_style_is_made_of_words_numbers_and_colours(value: str) -> None:
    assert css.check_styles("styles", {"color": value}) == {"color": value}


HOSTILE_STYLES = [
    "",
    "red;",
    "red; background: url(x)",
    "url(https://evil.example)",
    "URL(x)",
    "image-set('x')",
    "expression(alert(1))",
    "var(--x)",
    "calc(1px + 2px)",
    "red}body{display:none",
    "</style><script>",
    "red/**/",
    "\\75rl(x)",
    '"x"',
    "red !important",
    "rgb(0,0,0)url(x)",
    "٣px",
    "red\n",
    "@import",
    1,
    None,
    "1 " * 41,
]


@pytest.mark.parametrize("value", HOSTILE_STYLES)
def test_a_style_that_could_leave_its_place_is_refused(value: Any) -> None:
    with pytest.raises(InvalidError) as found:
        css.check_styles("styles", {"color": value})
    assert found.value.field == "styles.color"


@pytest.mark.parametrize("name", ["position", "background", "background-image", "content", "--x", "color;x", "Color"])
def test_only_listed_css_properties_can_be_set(name: str) -> None:
    with pytest.raises(InvalidError) as found:
        css.check_styles("styles", {name: "red"})
    assert (found.value.field, found.value.value) == ("styles", name)


@pytest.mark.parametrize("responsive", [[], {"xs": {}}, {"md": []}, {"md": {"content": {}}}, {"md": {"visible": 1}}])
def test_what_differs_by_width_is_visibility_and_styles_at_known_breakpoints(responsive: Any) -> None:
    with pytest.raises(InvalidError) as found:
        css.check_responsive("responsive", responsive)
    assert str(found.value.field).startswith("responsive")


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_accepted_style_has_a_character_that_ends_or_opens_anything(value: str) -> None:
    if css.may_set("color", value):
        assert not set(value) & set(";:{}<>\"'\\@!*")
        assert value.count("(") == value.count(")")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "content", "components", "title", "styles", "de"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON, st.sampled_from(sorted(SECTIONS)))
def test_whatever_is_sent_is_accepted_whole_or_refused_with_a_place(content: Any, type: str) -> None:
    try:
        checked = check(content, type)
    except InvalidError as error:
        # Most of what is drawn is refused, but not all.
        assert str(error.field).split(".")[0] == "content"  # noqa: PT017
    else:
        json.dumps(checked, allow_nan=False)
        assert all(set(each) == set(elements.COMPONENT_FIELDS) for each in elements.walk(checked["components"]))


# ---------------------------------------------------------------- components by id

TREE = check(
    {
        "components": [
            {"id": "box", "type": "container", "components": [{**HEADING, "id": "a"}, {**HEADING, "id": "b"}]},
            {"id": "grid", "type": "columns", "components": []},
            {**HEADING, "id": "c"},
        ]
    }
)["components"]


def outline(tree: list[dict[str, Any]]) -> list[Any]:
    return [(each["id"], outline(each["components"])) if each["components"] else each["id"] for each in tree]


def test_a_component_is_added_where_it_is_wanted() -> None:
    new = {**HEADING, "id": "new", "components": []}
    assert outline(components.add(TREE, new, None, None)) == [("box", ["a", "b"]), "grid", "c", "new"]
    assert outline(components.add(TREE, new, None, 0)) == ["new", ("box", ["a", "b"]), "grid", "c"]
    assert outline(components.add(TREE, new, "box", 1)) == [("box", ["a", "new", "b"]), "grid", "c"]
    for parent, order, field in (("gone", None, "parent_id"), ("c", None, "parent_id"), ("box", 3, "order")):
        with pytest.raises(InvalidError) as found:
            components.add(TREE, new, parent, order)
        assert found.value.field == field


def test_a_component_is_moved_with_all_in_it_but_not_into_itself() -> None:
    assert outline(components.move(TREE, "box", "grid", None)) == [("grid", [("box", ["a", "b"])]), "c"]
    assert outline(components.move(TREE, "b", None, 0)) == ["b", ("box", ["a"]), "grid", "c"]
    assert outline(components.move(TREE, "b", "box", 0)) == [("box", ["b", "a"]), "grid", "c"]
    inside = components.move(TREE, "grid", "box", None)
    for parent in ("box", "grid"):
        with pytest.raises(InvalidError, match="cannot be moved into itself"):
            components.move(inside, "box", parent, None)


def test_a_component_is_replaced_and_removed_by_id() -> None:
    new = {**HEADING, "id": "a", "content": {"text": "New"}, "components": []}
    replaced = components.replace(TREE, "a", new)
    assert components.find(replaced, "a") == new
    assert outline(replaced) == outline(TREE)
    assert outline(components.remove(TREE, "box")) == ["grid", "c"]
    assert outline(components.remove(TREE, "a")) == [("box", ["b"]), "grid", "c"]
    for change in (components.remove, components.find):
        with pytest.raises(NotFoundError) as found:
            change(TREE, "gone")
        assert (found.value.kind, found.value.name) == ("component", "gone")


def test_no_change_of_components_changes_what_was_given() -> None:
    before = copy.deepcopy(TREE)
    components.add(TREE, {**HEADING, "id": "x", "components": []}, "box", 0)
    components.move(TREE, "a", "grid", None)
    components.remove(TREE, "b")
    assert before == TREE


def test_every_type_of_component_is_known() -> None:
    assert set(COMPONENTS) >= {"heading", "text", "image", "button", "link", "list", "container", "columns", "quote"}
