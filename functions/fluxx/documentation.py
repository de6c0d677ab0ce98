"""This API's OpenAPI document, and the page that shows it; and what a browser asks before it calls any route."""

from __future__ import annotations

from pathlib import Path

from fluvial.http.documentation import documentation_app
from fluvial.http.preflight import answer_preflights
from fluxx.errors import render

SENT = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-HTTP-Method-Override")

app = documentation_app("fluxx", render, Path(__file__).with_name("openapi.json"))
answer_preflights(app, SENT)

handler = app
