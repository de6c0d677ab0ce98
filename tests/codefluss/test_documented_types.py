"""docs/apis.md has a table of the types of sections and of components; here they are made of `element_types`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from fluvial import css, elements, pages, sections, sites, trees
from fluvial.element_types import COMPONENTS, HOLDERS, LONG, SECTIONS, Address, Choice, Field, Flag, Group, Many, Text
from tests import template

PAGE = (template.ROOT / "docs/apis.md").read_text()
CODEFLUSS = PAGE[PAGE.index("\n## Codefluss\n") :]


def fields(of: Mapping[str, Field]) -> str:
    return ", ".join(f"`{name}`{'*' if field.required else ''}{kind(field)}" for name, field in of.items())


def kind(field: Field) -> str:
    """What stands behind the field's name."""
    match field:
        case Text():
            return " (long)" if field.max_length == LONG else ""
        case Address():
            return " (image address)" if field.fetched else " (address)"
        case Choice():
            return f" ({', '.join(map(str, field.values))})"
        case Flag():
            return " (true, false)"
        case Group():
            return f" {{{fields(field.fields)}}}"
        case Many():
            return f" [{field.max_items} of{kind(field.each) if isinstance(field.each, Group) else ' text'}]"


@pytest.mark.parametrize("type", SECTIONS)
def test_the_table_of_sections_has_every_type_with_its_fields(type: str) -> None:
    assert f"| `{type}` | {fields(SECTIONS[type])} |" in CODEFLUSS.split("**Components**")[0].splitlines()


@pytest.mark.parametrize("type", COMPONENTS)
def test_the_table_of_components_has_every_type_with_its_fields(type: str) -> None:
    held = "; holds components" if type in HOLDERS else ""
    row = f"| `{type}` | {fields(COMPONENTS[type]) or 'none'}{held} |"
    assert row in CODEFLUSS.split("**Components**")[1].splitlines()


def test_the_tables_have_no_type_that_is_none() -> None:
    types = CODEFLUSS[CODEFLUSS.index("### Section types") : CODEFLUSS.index("### Styles")]
    named = re.findall(r"^\| `(\w+)` \|", types, re.MULTILINE)
    assert named == [*SECTIONS, *COMPONENTS]


def test_all_properties_and_breakpoints_are_named() -> None:
    styles = CODEFLUSS[CODEFLUSS.index("### Styles") :]
    assert [name for name in css.PROPERTIES if f"`{name}`" not in styles] == []
    assert [name for name, width in css.BREAKPOINTS.items() if f"`{name}` ({width}" not in styles] == []


def test_the_limits_are_those_of_the_core() -> None:
    for text in (
        f"{trees.MAX_PAGES:,} pages, {trees.MAX_DEPTH} levels deep",
        f"{sections.MAX_SECTIONS} sections",
        f"{elements.MAX_COMPONENTS} components, {elements.MAX_DEPTH} levels deep, {elements.MAX_SECTION_BYTES:,} bytes",
        f"a page's `title` | {pages.MAX_TITLE_LENGTH} characters",
        f"a version's `note` | {sites.MAX_NOTE_LENGTH} characters",
        f"{sites.MAX_SNAPSHOT_BYTES:,} bytes",
    ):
        assert text in CODEFLUSS, text
