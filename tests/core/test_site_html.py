"""The HTML of sites: what every page has, and that nothing which authors write gets out of its place."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from fluvial import elements, pages, projects, sections, snapshots, trees
from fluvial.element_types import COMPONENTS, SECTIONS, Address, Choice, Flag, Group, Many, Text
from fluvial.site_html import count_files, render
from fluvial.snapshots import Snapshot
from tests.core.test_elements import HOSTILE_ADDRESSES, HOSTILE_STYLES
from tests.template import ROOT

VOID = ("meta", "link", "img", "br", "hr")
ALLOWED_TAGS = frozenset(
    re.findall(
        r"\S+",
        """
        html head meta title link body a header footer nav main section div p span strong br ul ol li dl dt dd h1 h2
        h3 h4 h5 h6 img figure figcaption blockquote details summary address hr
        """,
    )
)
ALLOWED_ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        """
        lang dir charset http-equiv content name rel href hreflang class id aria-label aria-labelledby aria-current
        tabindex src alt loading decoding
        """,
    )
)


class Page(HTMLParser):
    """A page as a browser would see it; every tag closed in its order."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.headings: list[tuple[int, str]] = []
        self.text = ""
        self.feed(html.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), "an attribute twice"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


class Builder:
    """Makes sites out of pages and sections, checked as when they are stored."""

    def __init__(self, name: str = "River Bakery") -> None:
        self.project = projects.Project(
            id=1, account=1, name=name, slug="site", description=None, settings={}, created=0, updated=0
        )
        self.tree = trees.Tree()
        self.pages: dict[int, pages.Page] = {}
        self.sections: dict[int, list[sections.Section]] = {}

    def page(self, title: str, parent: int | None = None, seo: pages.Seo | None = None) -> int:
        number = len(self.pages) + 1
        self.tree = trees.add(self.tree, trees.Node(number, parent, trees.free_slug(self.tree, parent, title)))
        self.pages[number] = pages.Page(number, 1, 1, title, "published", seo or pages.Seo(), 0, 0)
        self.sections[number] = []
        return number

    def section(self, page: int, type: str, content: dict[str, Any], **other: Any) -> str:
        number = 1000 * page + len(self.sections[page])
        fields = {"visible": True, "styles": {}, "responsive": {}, **other}
        section = sections.Section(
            id=number,
            account=1,
            project=1,
            page=page,
            type=type,
            name=type,
            content=content,
            created=0,
            updated=0,
            **fields,
        )
        self.sections[page].append(section.checked())
        return f"sec_{number:011d}"

    def snapshot(self) -> Snapshot:
        placed = [self.pages[node.page].placed(self.tree) for node in self.tree.nodes]
        return snapshots.take(self.project, placed, self.sections)

    def files(self) -> dict[str, bytes]:
        return dict(render(self.snapshot()))


@pytest.fixture
def bakery() -> Builder:
    site = Builder()
    home = site.page("Welcome", seo=pages.Seo("Bread in Berlin", "A bakery by the river"))
    about = site.page("About us")
    site.page("Team", about)
    site.page("Contact")
    title = {"en": "Bread worth getting up for", "de": "Brot, für das man aufsteht"}
    action = {"text": {"en": "The team", "de": "Wer wir sind"}, "href": "/about-us/team#top"}
    site.section(home, "hero", {"title": title, "actions": [action]})
    site.section(home, "features", {"title": {"en": "Why"}, "items": [{"title": "Time"}, {"title": "Grain"}]})
    return site


def test_a_site_is_a_file_per_page_and_language_and_one_stylesheet(bakery: Builder) -> None:
    files = bakery.files()
    of_a_language = [
        "index.html",
        "welcome/index.html",
        "about-us/index.html",
        "about-us/team/index.html",
        "contact/index.html",
    ]
    assert set(files) == {*of_a_language, *(f"de/{path}" for path in of_a_language), "style.css"}
    assert len(files) == count_files(bakery.snapshot())


def test_the_same_site_makes_the_same_bytes(bakery: Builder) -> None:
    assert bakery.files() == bakery.files()
    assert snapshots.spell(bakery.snapshot()) == snapshots.spell(bakery.snapshot())


def test_every_page_has_what_readers_and_machines_need(bakery: Builder) -> None:
    for path, data in bakery.files().items():
        if not path.endswith(".html"):
            continue
        assert data.startswith(b"<!doctype html>\n<html lang=")
        page = Page(data)
        language = "de" if path.startswith("de/") else "en"
        assert page.all("html") == [{"lang": language, "dir": "ltr"}]
        assert {"charset": "utf-8"} in page.all("meta")
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
        assert [level for level, _ in page.headings].count(1) == 1
        assert page.all("main") == [{"id": "content", "tabindex": "-1"}]
        assert len(page.all("title")) == 1
        # The first thing that the keyboard reaches leads to the content.
        assert page.all("a")[0]["href"] == "#content"
        assert {tag for tag, _ in page.tags} >= {"header", "nav", "main", "footer"}
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        for nav in page.all("nav"):
            assert nav["aria-label"]
        assert {name for _, attributes in page.tags for name in attributes} <= ALLOWED_ATTRIBUTES
        assert {tag for tag, _ in page.tags} <= ALLOWED_TAGS


def test_every_relative_link_leads_to_a_file_of_the_site(bakery: Builder) -> None:
    files = bakery.files()
    for path, data in files.items():
        if path.endswith(".html"):
            page = Page(data)
            for attributes in (*page.all("a"), *page.all("link")):
                href = attributes["href"].partition("#")[0]
                assert not href.startswith("/")
                target = posixpath.normpath(posixpath.join(posixpath.dirname(path), href)) if href else path
                assert target in files, (path, attributes)


def test_the_navigation_says_where_the_reader_is(bakery: Builder) -> None:
    team = Page(bakery.files()["about-us/team/index.html"])
    current = {(link["href"], link["aria-current"]) for link in team.all("a") if "aria-current" in link}
    assert current == {
        ("../../about-us/index.html", "true"),
        ("../../about-us/team/index.html", "page"),
    }
    home = Page(bakery.files()["index.html"])
    assert {"href": "index.html", "aria-current": "page"} in home.all("a")


def test_the_home_page_is_at_the_top_and_its_copy_names_it_as_the_canonical_one(bakery: Builder) -> None:
    files = bakery.files()
    home, copy = Page(files["index.html"]), Page(files["welcome/index.html"])
    assert [link for link in home.all("link") if link["rel"] == "canonical"] == []
    assert {"rel": "canonical", "href": "../index.html"} in copy.all("link")
    assert "Bread in Berlin · River Bakery" in home.text
    assert {"name": "description", "content": "A bakery by the river"} in home.all("meta")


def test_texts_are_in_the_page_s_language_or_else_in_the_main_one(bakery: Builder) -> None:
    files = bakery.files()
    german = Page(files["de/index.html"])
    assert german.headings == [(1, "Brot, für das man aufsteht"), (2, "Why"), (3, "Time"), (3, "Grain")]
    assert "Zum Inhalt springen" in german.text
    assert {"class": "button primary", "href": "../de/about-us/team/index.html#top"} in german.all("a")
    assert {"rel": "alternate", "hreflang": "en", "href": "../index.html"} in german.all("link")
    english = Page(files["index.html"])
    assert english.headings[0] == (1, "Bread worth getting up for")
    assert {"href": "de/index.html", "lang": "de", "hreflang": "de", "dir": "ltr"} in english.all("a")


def test_a_language_of_a_country_falls_back_to_the_plain_one_and_one_from_the_right_is_written_so() -> None:
    site = Builder()
    home = site.page("Home")
    site.section(
        home, "text", {"title": {"de": "Strasse", "de-CH": "Gasse"}, "text": {"de": "Nur deutsch", "he": "שלום"}}
    )
    files = site.files()
    assert "Gasse" in files["de-CH/index.html"].decode()
    assert "Nur deutsch" in files["de-CH/index.html"].decode()
    assert Page(files["he/index.html"]).all("html") == [{"lang": "he", "dir": "rtl"}]


def test_the_project_s_locale_is_the_main_language(bakery: Builder) -> None:
    object.__setattr__(bakery.project, "settings", {"locale": "de"})
    assert Page(bakery.files()["index.html"]).all("html") == [{"lang": "de", "dir": "ltr"}]
    assert "en/index.html" in bakery.files()


def test_no_heading_skips_a_level_whatever_authors_ask_for() -> None:
    site = Builder()
    home = site.page("Home")
    deep = [{"type": "heading", "content": {"text": f"Level {level}", "level": level}} for level in (6, 6, 2, 5)]
    site.section(home, "custom", {"components": [{"type": "container", "components": deep}]})
    site.section(home, "team", {"items": [{"name": "Ada"}, {"name": "Noor"}]})
    site.section(home, "hero", {"title": "Late"})
    levels = [level for level, _ in Page(site.files()["index.html"]).headings]
    assert levels == [1, 2, 3, 2, 3, 2, 2, 2]


def test_a_hero_has_the_page_s_heading_if_it_comes_first() -> None:
    site = Builder()
    home = site.page("Home")
    site.section(home, "header", {"title": "News"})
    site.section(home, "hero", {"title": "Welcome"})
    assert Page(site.files()["index.html"]).headings == [(1, "Welcome")]


def full(field: Any, text: str, address: str) -> Any:
    """A value with everything that a field can hold."""
    match field:
        case Text():
            return text
        case Address():
            return address
        case Choice():
            return field.values[-1]
        case Flag():
            return True
        case Group():
            return {name: full(each, text, address) for name, each in field.fields.items()}
        case Many():
            return [full(field.each, text, address)] * 2


def full_site(text: str, address: str = "https://example.com/") -> Builder:
    """A page with every type of section and component, everything in it filled."""
    site = Builder(name="Site")
    home = site.page("Home")
    for type, fields in SECTIONS.items():
        inner = [
            {"type": kind, "content": {name: full(field, text, address) for name, field in of.items()}}
            for kind, of in COMPONENTS.items()
        ]
        content = {name: full(field, text, address) for name, field in fields.items()}
        site.section(home, type, {**content, "components": inner})
    return site


def test_every_type_shows_every_text_that_it_holds() -> None:
    texts = 0

    def count(field: Any) -> int:
        match field:
            case Text():
                return 1
            case Group():
                return sum(map(count, field.fields.values()))
            case Many():
                return 2 * count(field.each)
        return 0

    for fields in SECTIONS.values():
        texts += sum(map(count, fields.values()))
        texts += sum(count(field) for of in COMPONENTS.values() for field in of.values())
    page = Page(full_site("MARK").files()["index.html"])
    shown = page.text.count("MARK") + sum(image["alt"] == "MARK" for image in page.all("img"))
    assert shown == texts


HOSTILE_TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!--",
    "-->",
    "]]>",
    "{{ 7 * 7 }}{% include 'style.css' %}",
    "&lt;script&gt;&#60;script&#62;",
    "<\u0000script>".replace("\u0000", ""),
    "\uff1cscript\uff1e",
    "\u202e<script>\u2028\u2029",
    "javascript:alert(1)",
    "+ADw-script+AD4-",
    "` onmouseover=alert(1) `",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_what_authors_write_stays_text(text: str) -> None:
    plain, hostile = full_site("plain"), full_site(text)
    hostile.project = projects.Project(
        id=1, account=1, name=text, slug="site", description=None, settings={}, created=0, updated=0
    )
    object.__setattr__(hostile.pages[1], "title", text)
    object.__setattr__(hostile.pages[1], "seo", pages.Seo(text, text))
    expected, found = Page(plain.files()["index.html"]), Page(hostile.files()["index.html"])
    # The description is a tag more.
    names = [tag for tag, attributes in found.tags if attributes.get("name") != "description"]
    assert names == [tag for tag, _ in expected.tags]
    assert {name for _, attributes in found.tags for name in attributes} <= ALLOWED_ATTRIBUTES
    assert text in found.text
    assert "49" not in found.text.replace(text, "")


@pytest.mark.parametrize("address", HOSTILE_ADDRESSES)
def test_an_address_that_was_never_checked_leads_nowhere(address: str) -> None:
    site = full_site("x")
    for section in site.sections[1]:
        replace_addresses(section.content, address)
    page = Page(site.files()["index.html"])
    links = [tag.get("href", tag.get("src")) for tag in (*page.all("a"), *page.all("img"))]
    assert set(links) == {"#content", "#", "index.html"}
    assert {tag for tag, _ in page.tags} <= ALLOWED_TAGS


def replace_addresses(value: Any, address: str) -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            if name in ("href", "src"):
                value[name] = address
            else:
                replace_addresses(each, address)
    elif isinstance(value, list):
        for each in value:
            replace_addresses(each, address)


@pytest.mark.parametrize("style", [style for style in HOSTILE_STYLES if isinstance(style, str)])
def test_a_style_that_was_never_checked_is_left_out(style: str) -> None:
    site, plain = full_site("x"), full_site("x").files()["style.css"]
    for section in site.sections[1]:
        section.styles["color"] = style
        section.responsive["md"] = {"styles": {"color": style, "x}body{": "red"}}
    assert site.files()["style.css"] == plain


def test_styles_are_rules_of_their_element_and_wide_windows_win() -> None:
    site = Builder()
    home = site.page("Home")
    red = {"styles": {"color": "red"}, "responsive": {"md": {"styles": {"color": "blue"}}}}
    component = {"id": "a", "type": "heading", "content": {"text": "x"}, **red}
    name = site.section(home, "custom", {"components": [component]}, styles={"padding": "1rem 2rem", "color": "#fff"})
    name = re.findall(rb'id="(sec_\w+)"', site.files()["index.html"])[0].decode() if name else name
    rules = site.files()["style.css"].decode().split("@media print", 1)[1].split("\n", 1)[1]
    assert rules == (
        f".{name}.{name} {{ padding: 1rem 2rem; color: #fff }}\n"
        f".{name}-a.{name}-a {{ color: red }}\n"
        f"@media (min-width: 768px) {{\n.{name}-a.{name}-a {{ color: blue }}\n}}\n"
    )


def test_what_is_hidden_at_every_width_is_not_in_the_page() -> None:
    site = Builder()
    home = site.page("Home")
    site.section(home, "text", {"title": "Secret"}, visible=False)
    site.section(home, "text", {"title": "On wide windows"}, visible=False, responsive={"lg": {"visible": True}})
    secret = {"type": "text", "visible": False, "content": {"text": "Secret"}}
    site.section(home, "custom", {"components": [secret, {"type": "text", "content": {"text": "Shown"}}]})
    files = site.files()
    page = files["index.html"].decode()
    assert "Secret" not in page
    assert "On wide windows" in page
    assert "Shown" in page
    hidden = re.findall(
        r"@media \(min-width: (\d+)px\) and \(max-width: ([\d.]+)px\) \{ \.\S+ \{ display: none",
        files["style.css"].decode(),
    )
    assert hidden == [("0", "639.98"), ("640", "767.98"), ("768", "1023.98")]


def test_the_stylesheet_loads_nothing_and_shows_the_focus() -> None:
    style = full_site("x").files()["style.css"].decode()
    assert "url(" not in style
    assert "@import" not in style
    assert ":focus-visible { outline: 3px solid" in style
    assert style.count("{") == style.count("}")


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("#14213d", "#ffffff"),
        ("#4a5670", "#ffffff"),
        ("#4a5670", "#f4f6fb"),
        ("#1d4ed8", "#ffffff"),
        ("#1d4ed8", "#f4f6fb"),
        ("#ffffff", "#1d4ed8"),
        ("#ffffff", "#1e3a8a"),
        ("#1e3a8a", "#dbe6ff"),
        ("#dfe6f5", "#0f1a33"),
        ("#b8c4de", "#0f1a33"),
    ],
)
def test_text_stands_out_from_its_ground(text: str, ground: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1 or more."""
    style = full_site("x").files()["style.css"].decode().replace("#fff;", "#ffffff;")
    assert text in style
    assert ground in style
    light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("module", ["pages", "sections", "sites", "previews"])
def test_rules_start_without_the_template_engine(module: str) -> None:
    code = f"import sys, fluvial.{module}; assert 'jinja2' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "layers/core/python"), "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_section_that_was_checked_is_shown_whatever_it_leaves_out() -> None:
    site = Builder()
    home = site.page("Home")
    for type in SECTIONS:
        site.section(home, type, {})
    assert elements.may_link("/")
    assert Page(site.files()["index.html"]).headings == [(1, "Home")]
