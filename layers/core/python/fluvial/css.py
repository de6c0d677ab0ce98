"""Which CSS the author of a site may give an element. Pure; everything that is not allowed is refused.

Values are made of a few forms only, so that none of them can end its declaration, load anything or run anything: no
`;`, `:`, braces, quotes, slashes of addresses, comments or escapes exist in any form.
"""

from __future__ import annotations

import re
from typing import Any

from fluvial.errors import MAX_SHOWN, InvalidError

# fmt: off
PROPERTIES = frozenset((
    "background-color", "color", "opacity",
    "font-size", "font-style", "font-weight", "letter-spacing", "line-height", "text-align", "text-decoration",
    "text-transform",
    "margin", "margin-top", "margin-right", "margin-bottom", "margin-left",
    "padding", "padding-top", "padding-right", "padding-bottom", "padding-left",
    "width", "max-width", "min-width", "height", "max-height", "min-height", "aspect-ratio", "object-fit",
    "border-color", "border-radius", "border-style", "border-width", "box-sizing",
    "gap", "row-gap", "column-gap", "align-items", "align-self", "justify-content", "justify-self",
    "justify-items", "flex-direction", "flex-wrap",
))
# fmt: on

BREAKPOINTS = {"sm": 640, "md": 768, "lg": 1024, "xl": 1280}
"""The least width of the window, in CSS pixels, from which on the styles of a breakpoint apply."""

MAX_VALUE_LENGTH = 80

_NUMBER = r"-?(?:[0-9]{1,5}(?:\.[0-9]{1,4})?|\.[0-9]{1,4})"
_LENGTH = rf"{_NUMBER}(?:px|rem|em|%|vw|vh|ch|fr)?"
_HEX = r"#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})"
_WORD = r"[a-z]{1,20}(?:-[a-z]{1,20}){0,3}"
_COLOUR = rf"(?:rgb|rgba|hsl|hsla)\( ?{_NUMBER}(?:deg|%)?(?:(?:, ?| | / ){_NUMBER}%?){{2,3}} ?\)"
_PART = rf"(?:{_COLOUR}|{_HEX}|{_LENGTH}|{_WORD})"
VALUE = re.compile(rf"{_PART}(?: {_PART}){{0,3}}")

ALLOWED_VALUE = "words, numbers with px, rem, em, %, vw, vh, ch or fr, and colours as #hex, rgb() or hsl()"


def check_styles(field: str, styles: Any) -> dict[str, str]:
    """The styles, if every property and value is allowed; InvalidError names the one that is not."""
    if not isinstance(styles, dict):
        raise InvalidError(field, f"'{field}' must be an object.", constraint="CSS properties with their values")
    for name, value in styles.items():
        if name not in PROPERTIES:
            raise InvalidError(
                field,
                f"'{str(name)[:MAX_SHOWN]}' in '{field}' is not a CSS property that can be set.",
                value=str(name)[:MAX_SHOWN],
                constraint=", ".join(sorted(PROPERTIES)),
            )
        where = f"{field}.{name}"
        if not isinstance(value, str) or not may_set(name, value):
            raise InvalidError(
                where, f"'{where}' is not a value that can be set.", value=_shown(value), constraint=ALLOWED_VALUE
            )
    return styles


def check_responsive(field: str, responsive: Any) -> dict[str, Any]:
    """What is different from a breakpoint on, if all of it is allowed: `{"md": {"visible": …, "styles": {…}}}`."""
    if not isinstance(responsive, dict):
        raise InvalidError(field, f"'{field}' must be an object.", constraint=", ".join(BREAKPOINTS))
    for name, changes in responsive.items():
        if name not in BREAKPOINTS:
            shown = str(name)[:MAX_SHOWN]
            raise InvalidError(field, f"'{shown}' is not a breakpoint.", value=shown, constraint=", ".join(BREAKPOINTS))
        where = f"{field}.{name}"
        if not isinstance(changes, dict) or not set(changes) <= {"visible", "styles"}:
            raise InvalidError(where, f"'{where}' must have 'visible' and 'styles' only.", constraint="visible, styles")
        if not isinstance(changes.get("visible", True), bool):
            raise InvalidError(
                f"{where}.visible", f"'{where}.visible' must be true or false.", constraint="true, false"
            )
        check_styles(f"{where}.styles", changes.get("styles", {}))
    return responsive


def may_set(name: str, value: str) -> bool:
    """Whether a stylesheet may have this declaration."""
    return name in PROPERTIES and len(value) <= MAX_VALUE_LENGTH and VALUE.fullmatch(value) is not None


def _shown(value: Any) -> object:
    return value[:MAX_SHOWN] if isinstance(value, str) else value
