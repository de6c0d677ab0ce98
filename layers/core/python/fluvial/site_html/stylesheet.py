"""The styles that authors gave to sections and components, as CSS rules of their classes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from fluvial import css, elements

# An element is hidden by ranges of widths, not by `display` that a wider range takes back: what it would have to be
# given back is not known here.
_EDGES: tuple[int | None, ...] = (0, *css.BREAKPOINTS.values(), None)
_BASE = "base"


def of(snapshot: dict[str, Any]) -> str:
    """All rules; narrow windows first, so that the rules of wide ones win."""
    styled = list(_styled(snapshot))
    lines = [line for name, element in styled for line in _rule(name, element["styles"])]
    for breakpoint, width in css.BREAKPOINTS.items():
        rules = [
            line
            for name, element in styled
            for line in _rule(name, element["responsive"].get(breakpoint, {}).get("styles", {}))
        ]
        if rules:
            lines += [f"@media (min-width: {width}px) {{", *rules, "}"]
    lines += [line for name, element in styled for line in _hiding(name, element)]
    return "".join(f"{line}\n" for line in lines)


def is_ever_shown(element: dict[str, Any]) -> bool:
    """Whether a section or component is visible in windows of any width."""
    return any(shown for _, shown in _visibility(element))


def _styled(snapshot: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each section and component with its class."""
    for page in snapshot["pages"]:
        for section in page["sections"]:
            yield section["id"], section
            for component in elements.walk(section["content"]["components"]):
                yield f"{section['id']}-{component['id']}", component


def _rule(name: str, styles: dict[str, str]) -> Iterator[str]:
    declarations = "; ".join(f"{key}: {value}" for key, value in styles.items() if css.may_set(key, value))
    if declarations:
        # Twice, so that it wins over the rules that every site has.
        yield f".{name}.{name} {{ {declarations} }}"


def _visibility(element: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Whether the element is shown, from each breakpoint on to the next."""
    shown: bool = element["visible"]
    yield _BASE, shown
    for breakpoint in css.BREAKPOINTS:
        shown = element["responsive"].get(breakpoint, {}).get("visible", shown)
        yield breakpoint, shown


def _hiding(name: str, element: dict[str, Any]) -> Iterator[str]:
    for (_, shown), (start, end) in zip(_visibility(element), pairwise(_EDGES), strict=True):
        if shown or not is_ever_shown(element):
            continue
        upper = "" if end is None else f" and (max-width: {end - 0.02}px)"
        yield f"@media (min-width: {start}px){upper} {{ .{name}.{name} {{ display: none }} }}"
