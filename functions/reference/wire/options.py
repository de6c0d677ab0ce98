"""The options of reading a file, for the document. `fluvial.reading` checks and words them."""

from __future__ import annotations

from typing import Annotated, Any

from fluvial import reading
from fluvial.http.wire import Documented

ONE_CHARACTER = {"type": "string", "minLength": 1, "maxLength": 1}
NULL = {"type": "null"}
SPACELESS = r"^[^\s\x00]([^\r\n\x00]*[^\s\x00])?$"
TEXT = {"type": "string", "minLength": 1, "maxLength": reading.MAX_TEXT, "pattern": r"^[^\r\n\x00]*$"}
DECIMAL = r"^decimal\(([1-9]|[12][0-9]|3[0-8]),0\)$"

PROPERTIES: dict[str, Any] = {
    "format": {"enum": [*reading.FORMATS, None]},
    "delimiter": {"anyOf": [{"const": reading.AUTO}, ONE_CHARACTER]},
    "quote": {"anyOf": [{"const": reading.AUTO}, ONE_CHARACTER, NULL]},
    "escape": {"anyOf": [{"enum": [reading.AUTO, reading.DOUBLED]}, ONE_CHARACTER]},
    "encoding": {"enum": [reading.AUTO, *reading.ENCODINGS]},
    "header": {"type": ["boolean", "null"]},
    "skip_lines": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": reading.MAX_SKIPPED_LINES}, NULL]},
    "comment": {"anyOf": [{**TEXT, "pattern": SPACELESS}, NULL]},
    "types": {
        "type": "object",
        "maxProperties": reading.MAX_TYPES,
        "additionalProperties": {"anyOf": [{"enum": list(reading.TYPES)}, {"type": "string", "pattern": DECIMAL}]},
        "description": "Types by the name of their column; also decimal(p,s) with other places.",
    },
    "date_order": {"enum": [*reading.DATE_ORDERS, None]},
    "null_tokens": {"type": "array", "items": TEXT, "maxItems": reading.MAX_NULL_TOKENS},
    "sheet": {"anyOf": [TEXT, {"type": "integer", "minimum": 1}, NULL], "description": "Its name, or number from 1."},
    "record": {"anyOf": [TEXT, NULL], "description": "The element of XML that is a row."},
    "flatten": {"type": "boolean"},
}
SCHEMA: dict[str, Any] = {"type": "object", "properties": PROPERTIES, "additionalProperties": False}

Options = Annotated[dict[str, Any], Documented(properties=PROPERTIES, additionalProperties=False)]
OptionsText = Annotated[
    str,
    Documented(
        contentMediaType="application/json",
        contentSchema=SCHEMA,
        description='How to read the file, as JSON text: {"delimiter": ";", "header": true}.',
    ),
]
