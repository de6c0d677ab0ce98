"""Sections and the components in them: what they may hold is checked here, once, before anything is stored. Pure.

    section  {type, name, visible, content, styles, responsive}
             content     {<the type's own fields>, components}
             components  [{id, type, visible, content, styles, responsive, components}]
                                                                           components  [{id, …

What was checked has all fields of a component, also those that were left out. Whoever renders need not ask again.
An error names the place, as in `content.components.2.components.0.type`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fluvial import css
from fluvial.element_types import (
    COMPONENTS,
    HOLDERS,
    SECTIONS,
    SHORT,
    Address,
    Choice,
    Field,
    Flag,
    Group,
    Many,
    Text,
)
from fluvial.errors import MAX_SHOWN, InvalidError, TooLargeError
from fluvial.text import checked_line, checked_text

MAX_DEPTH = 6  # components in components
MAX_COMPONENTS = 500  # in one section
MAX_SECTION_BYTES = 200 * 1024  # as JSON
MAX_NAME_LENGTH = 100
MAX_ADDRESS_LENGTH = 2_000
MAX_LANGUAGES = 20

LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
COMPONENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
COMPONENT_FIELDS = ("id", "type", "visible", "content", "styles", "responsive", "components")

# A scheme as browsers read one (https://url.spec.whatwg.org/#scheme-start-state); an address without is relative.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FETCHED_SCHEMES = ("http", "https")
_SCHEMES = (*_FETCHED_SCHEMES, "mailto", "tel")


def checked_section(
    *, type: str, name: str, visible: bool, content: Any, styles: Any, responsive: Any
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Content, styles and responsive of a section as they are stored; InvalidError names the first that is wrong."""
    if type not in SECTIONS:
        raise _not_one_of("type", type, SECTIONS)
    checked_line("name", name, MAX_NAME_LENGTH)
    _check_flag("visible", visible)
    _check_object("content", content)
    _check_size(content, styles, responsive)
    own = {field: value for field, value in content.items() if field != "components"}
    _check_fields("content", own, SECTIONS[type], also=("components",))
    components = _checked_components("content.components", content.get("components", []))
    return (
        {**own, "components": components},
        css.check_styles("styles", styles),
        css.check_responsive("responsive", responsive),
    )


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All components, each before those in it."""
    for component in components:
        yield component
        yield from walk(component["components"])


def may_link(address: str, *, fetched: bool = False) -> bool:
    """Whether an address may stand in a page; with `fetched`, as the source of an image."""
    try:
        _check_address("", address, _FETCHED_SCHEMES if fetched else _SCHEMES)
    except InvalidError:
        return False
    return True


def _checked_components(where: str, components: Any) -> list[dict[str, Any]]:
    _check_list(where, components)
    raw = list(_raw(where, components))
    if len(raw) > MAX_COMPONENTS:
        reason = f"A section has at most {MAX_COMPONENTS} components, not {len(raw)}."
        raise InvalidError(where, reason, constraint=f"at most {MAX_COMPONENTS} components")
    places: dict[str, str] = {}
    for place, component in raw:
        name = component.get("id")
        if name is None:
            continue
        if not isinstance(name, str) or not COMPONENT_ID.fullmatch(name):
            raise InvalidError(
                f"{place}.id",
                f"'{place}.id' must have 1-40 letters, digits, - and _, and begin with a letter or digit.",
                value=_shown(name),
                constraint="1-40 letters, digits, - and _",
            )
        if name in places:
            reason = f"'{place}.id' is the id of '{places[name]}.id', too."
            raise InvalidError(f"{place}.id", reason, value=name, constraint="an id once in a section")
        places[name] = place
    numbers = (f"c{number}" for number in range(1, 2 * MAX_COMPONENTS + 1))
    free = (name for name in numbers if name not in places)
    return [_checked_component(f"{where}.{index}", each, free) for index, each in enumerate(components)]


def _raw(where: str, components: list[Any], depth: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    """All components with their places, as they were sent; each at least an object."""
    for index, component in enumerate(components):
        place = f"{where}.{index}"
        _check_object(place, component)
        if depth > MAX_DEPTH:
            reason = f"Components are at most {MAX_DEPTH} deep."
            raise InvalidError(place, reason, constraint=f"at most {MAX_DEPTH} levels of components")
        yield place, component
        inner = component.get("components", [])
        _check_list(f"{place}.components", inner)
        yield from _raw(f"{place}.components", inner, depth + 1)


def _checked_component(place: str, sent: dict[str, Any], free: Iterator[str]) -> dict[str, Any]:
    kind = sent.get("type")
    if not isinstance(kind, str) or kind not in COMPONENTS:
        raise _not_one_of(f"{place}.type", kind, COMPONENTS)
    for name in sent:
        if name not in COMPONENT_FIELDS:
            raise _unknown(place, name, COMPONENT_FIELDS)
    inner = sent.get("components", [])
    if inner and kind not in HOLDERS:
        raise InvalidError(
            f"{place}.components",
            f"A component of the type '{kind}' holds no others.",
            value=kind,
            constraint=f"components only in {', '.join(HOLDERS)}",
        )
    content = sent.get("content", {})
    _check_object(f"{place}.content", content)
    _check_fields(f"{place}.content", content, COMPONENTS[kind])
    _check_flag(f"{place}.visible", sent.get("visible", True))
    return {
        "id": sent["id"] if sent.get("id") is not None else next(free),
        "type": kind,
        "visible": sent.get("visible", True),
        "content": content,
        "styles": css.check_styles(f"{place}.styles", sent.get("styles", {})),
        "responsive": css.check_responsive(f"{place}.responsive", sent.get("responsive", {})),
        "components": [
            _checked_component(f"{place}.components.{index}", each, free) for index, each in enumerate(inner)
        ],
    }


def _check_fields(where: str, values: dict[str, Any], fields: Mapping[str, Field], also: tuple[str, ...] = ()) -> None:
    for name in values:
        if name not in fields:
            raise _unknown(where, name, (*fields, *also))
    for name, field in fields.items():
        if name in values:
            _check_field(f"{where}.{name}", values[name], field)
        elif field.required:
            raise InvalidError(f"{where}.{name}", f"'{where}.{name}' is missing.", constraint="required")


def _check_field(where: str, value: Any, field: Field) -> None:
    match field:
        case Text():
            for place, text in _by_language(where, value):
                _check_text(place, text, field)
        case Address():
            for place, address in _by_language(where, value):
                _check_address(place, address, _FETCHED_SCHEMES if field.fetched else _SCHEMES)
        case Choice():
            # Not `in`: to Python true is 1, and 2.0 is 2.
            if not any(value == each and type(value) is type(each) for each in field.values):
                raise _not_one_of(where, value, field.values)
        case Flag():
            _check_flag(where, value)
        case Group():
            _check_object(where, value)
            _check_fields(where, value, field.fields)
        case Many():
            _check_list(where, value)
            if len(value) > field.max_items:
                allowed = f"at most {field.max_items} items"
                raise InvalidError(where, f"'{where}' must have {allowed}, not {len(value)}.", constraint=allowed)
            for index, each in enumerate(value):
                _check_field(f"{where}.{index}", each, field.each)


def _by_language(where: str, value: Any) -> Iterator[tuple[str, str]]:
    """The texts of a value with their places: one, or one per language."""
    if isinstance(value, str):
        yield where, value
        return
    if not isinstance(value, dict) or not value or len(value) > MAX_LANGUAGES:
        allowed = f'text, or an object of 1-{MAX_LANGUAGES} texts by language, such as {{"en": "Hello"}}'
        raise InvalidError(where, f"'{where}' must be {allowed}.", value=_shown(value), constraint=allowed)
    for language, text in value.items():
        if not LANGUAGE.fullmatch(language):
            shown = language[:MAX_SHOWN]
            reason = f"'{shown}' in '{where}' is not a language: write it as 'de' or 'de-CH'."
            raise InvalidError(where, reason, value=shown, constraint="two letters, optionally a country: de, de-CH")
        place = f"{where}.{language}"
        if not isinstance(text, str):
            raise InvalidError(place, f"'{place}' must be text.", value=_shown(text), constraint="text")
        yield place, text


def _check_text(where: str, text: str, field: Text) -> None:
    if text == "" and field.may_be_empty:
        return
    if field.max_length == SHORT and (text or field.required):
        checked_line(where, text, field.max_length)
        return
    checked_text(where, text, field.max_length)
    if any((ord(character) < 32 and character not in "\n\r\t") or character == "\x7f" for character in text):
        raise InvalidError(where, f"'{where}' must not contain control characters.", constraint="text and line breaks")
    if field.required and not text.strip():
        raise InvalidError(where, f"'{where}' must not be empty.", value=text, constraint="text")


def _check_address(where: str, address: str, schemes: tuple[str, ...]) -> None:
    """Refuses what a browser might run or misread. Browsers drop blanks and control characters, so none is taken."""
    allowed = f"{', '.join(schemes)}, a relative address, or #fragment"
    shown = address[:MAX_SHOWN]
    if not 0 < len(address) <= MAX_ADDRESS_LENGTH:
        raise InvalidError(where, f"'{where}' must have 1-{MAX_ADDRESS_LENGTH} characters.", value=shown)
    checked_text(where, address, MAX_ADDRESS_LENGTH)
    if any(ord(character) <= 32 or character in '"<>\\^`{|}' or not character.isprintable() for character in address):
        reason = f"'{where}' has a character that no address has: encode it, as in %20."
        raise InvalidError(where, reason, value=shown, constraint=allowed)
    scheme = _SCHEME.match(address)
    before_a_colon = re.match(r"[^/?#]*:", address)
    if before_a_colon and (scheme is None or scheme[1].lower() not in schemes):
        reason = f"'{where}' must begin with {', '.join(each + ':' for each in schemes)} or be relative."
        raise InvalidError(where, reason, value=shown, constraint=allowed)


def _check_size(content: Any, styles: Any, responsive: Any) -> None:
    try:
        size = len(
            json.dumps([content, styles, responsive], allow_nan=False, ensure_ascii=False).encode(
                "utf-8", "surrogatepass"
            )
        )
    except (ValueError, RecursionError) as error:
        raise InvalidError("content", "'content' cannot be stored as JSON.") from error
    if size > MAX_SECTION_BYTES:
        reason = f"A section must take at most {MAX_SECTION_BYTES} bytes as JSON, not {size}."
        raise TooLargeError(reason, field="content", limit_bytes=MAX_SECTION_BYTES)


def _check_object(where: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise InvalidError(where, f"'{where}' must be an object.", value=_shown(value), constraint="an object")


def _check_list(where: str, value: Any) -> None:
    if not isinstance(value, list):
        raise InvalidError(where, f"'{where}' must be a list.", value=_shown(value), constraint="a list")


def _check_flag(where: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidError(where, f"'{where}' must be true or false.", value=_shown(value), constraint="true, false")


def _not_one_of(where: str, value: Any, allowed: Any) -> InvalidError:
    names = ", ".join(map(str, allowed))
    return InvalidError(where, f"'{where}' must be one of {names}.", value=_shown(value), constraint=names)


def _unknown(where: str, name: str, allowed: Any) -> InvalidError:
    names = ", ".join(allowed) or "nothing"
    shown = name[:MAX_SHOWN]
    return InvalidError(
        f"{where}.{shown}", f"'{shown}' is not a field of '{where}'.", value=shown, constraint=f"allowed: {names}"
    )


def _shown(value: Any) -> object:
    """A value as an error repeats it: short."""
    if isinstance(value, str):
        return value[:MAX_SHOWN]
    return value if value is None or isinstance(value, bool | int | float) else type(value).__name__
