"""A snapshot of a site as files: one HTML page per page and language, and one stylesheet. No scripts, no requests.

    index.html                   the first page at the root, in the main language
    about/team/index.html        every page under its path
    de/index.html, de/about/…    the same in each further language
    style.css

All links are relative and name `index.html`, so the files work under any prefix, and from a disk. The home page is
there twice, under its own path as well; that copy names the other as the canonical one.

What authors wrote is hostile until proven otherwise: it was checked when it was stored (`elements`), Jinja escapes all
of it, and addresses and styles are checked once more on their way out. Whoever imports this needs the rendering layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from fluvial.site_html import stylesheet
from fluvial.site_html.view import Site, paragraphs

STYLESHEET = "style.css"
TEMPLATES = Path(__file__).parent / "templates"

# So many files a worker makes in the time that it has.
MAX_FILES = 10_000


def render(snapshot: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """All files of a site, each with its path. They are made one at a time: a site can be large."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["paragraphs"] = paragraphs
    template = environment.get_template("page.html")
    for language in snapshot["languages"]:
        site = Site(snapshot, language)
        for view in site.pages():
            yield view["file"], template.render(view).encode()
    base = (TEMPLATES / STYLESHEET).read_text()
    yield STYLESHEET, (base + stylesheet.of(snapshot)).encode()


def count_files(snapshot: dict[str, Any]) -> int:
    """How many files `render` makes; the home page counts twice."""
    return len(snapshot["languages"]) * (len(snapshot["pages"]) + 1) + 1
