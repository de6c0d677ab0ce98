"""The report as one HTML page that stands alone: no script, no request, its one stylesheet within.

Jinja escapes all that people wrote. The drawings are markup of ours, checked in `svg`. The policy allows that one
stylesheet, by its hash, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def page(view: dict[str, Any]) -> bytes:
    """The page of a view, as `view.of` makes it."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _template().render(view, style=Markup(style), policy=policy).encode()  # noqa: S704  the style is ours


@cache
def _style() -> str:
    return (TEMPLATES / "report.css").read_text()


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup
    return environment.get_template("report.html")
