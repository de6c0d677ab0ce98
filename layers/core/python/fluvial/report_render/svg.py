"""Charts as SVG, drawn by Vega in vl-convert: without a browser, a network or a file, and the same each time.

What comes out is checked and written anew: only shapes and texts, no script, no style, no address. Ids get a prefix,
as several drawings share a page.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import vl_convert

VEGA_LITE = "6.4"
NAMESPACE = "http://www.w3.org/2000/svg"
ELEMENTS = frozenset(["svg", "g", "path", "line", "rect", "text", "tspan", "circle", "defs", "clipPath"])
_PLACES = ("viewBox", "transform", "d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "cx", "cy", "r", "rx", "ry")
_STROKES = ("width", "opacity", "dasharray", "dashoffset", "linecap", "linejoin", "miterlimit")
_LOOKS = ("fill", "fill-opacity", "stroke", *(f"stroke-{each}" for each in _STROKES), "opacity", "clip-path")
_LETTERS = ("font-size", "font-weight", "font-style", "text-anchor")
ATTRIBUTES = frozenset((*_PLACES, *_LOOKS, *_LETTERS, "width", "height", "id"))
# What Vega writes for others to style and read; its readers here have a table instead.
LEFT_OUT = frozenset(["class", "version", "font-family", "pointer-events", "display", "cursor", "role"])
_REFERENCE = re.compile(r"url\(#([A-Za-z0-9_-]+)\)")


class UnsafeDrawingError(Exception):
    """A drawing with something that no chart of ours has: a defect, of which no page is made."""


def draw(spec: dict[str, Any], prefix: str) -> str:
    """The drawing of a specification as one <svg> that takes the width that it is given."""
    return checked(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[]), prefix)


def checked(text: str, prefix: str) -> str:
    """The drawing with nothing but what is known to be harmless; UnsafeDrawingError for anything else."""
    root = ElementTree.fromstring(text)  # noqa: S314  it is Vega's, and this is what looks at it
    names: dict[str, str] = {}
    for element in root.iter():
        if "id" in element.attrib:
            names[element.attrib["id"]] = f"{prefix}-{len(names) + 1}"
    _prune(root)
    for element in root.iter():
        _clean(element, names)
    del root.attrib["width"], root.attrib["height"]
    ElementTree.register_namespace("", NAMESPACE)
    return ElementTree.tostring(root, encoding="unicode")


def _prune(element: ElementTree.Element) -> None:
    """Takes out what shows nothing: Vega's hidden shapes, and groups with nothing in them."""
    for child in list(element):
        _prune(child)
        empty = child.tag == f"{{{NAMESPACE}}}g" and len(child) == 0
        if empty or child.attrib.get("display") == "none" or child.attrib.get("d") in ("", "M0,0h0v0h0Z"):
            element.remove(child)


def _clean(element: ElementTree.Element, names: dict[str, str]) -> None:
    space, _, tag = element.tag.rpartition("}")
    if space != f"{{{NAMESPACE}" or tag not in ELEMENTS:
        raise UnsafeDrawingError(f"a drawing has an element {element.tag[:60]}")
    for name, value in list(element.attrib.items()):
        if name in LEFT_OUT or name.startswith("aria-"):
            del element.attrib[name]
        elif name not in ATTRIBUTES:
            raise UnsafeDrawingError(f"a drawing has an attribute {name[:60]}")
        elif name == "id":
            element.attrib[name] = names[value]
        elif "url" in value.lower() or ":" in value:
            reference = _REFERENCE.fullmatch(value)
            if reference is None or reference[1] not in names:
                raise UnsafeDrawingError(f"a drawing refers to {value[:60]}")
            element.attrib[name] = f"url(#{names[reference[1]]})"
