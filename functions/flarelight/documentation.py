"""This API's OpenAPI document, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

from flarelight.errors import render
from fluvial.http.documentation import documentation_app

app = documentation_app("flarelight", render, Path(__file__).with_name("openapi.json"))

handler = app
