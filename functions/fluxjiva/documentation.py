"""This API's OpenAPI document, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

from fluvial.http.documentation import documentation_app
from fluxjiva.errors import render

app = documentation_app("fluxjiva", render, Path(__file__).with_name("openapi.json"))

handler = app
