"""This API's OpenAPI document, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

from codefluss.errors import render_for
from fluvial.http.documentation import documentation_app

app = documentation_app("codefluss", render_for("documentation"), Path(__file__).with_name("openapi.json"))

handler = app
