"""What sections and components there are, and what each may hold: data only. `elements` checks against it.

A text stands for itself or for one text per language, `{"de": "Hallo", "en": "Hello"}`; so do addresses and the texts
that describe images. A new type is a line here and a macro of the same name in `site_html/templates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SHORT = 200  # characters
LONG = 10_000


@dataclass(frozen=True, slots=True)
class Text:
    """One line (`max_length` SHORT), or paragraphs with an empty line between them (LONG)."""

    max_length: int = SHORT
    required: bool = False
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """A link: http, https, mailto, tel, relative, or a #fragment. For what is fetched (`fetched`) no mailto and tel."""

    required: bool = False
    fetched: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words or numbers; the first is meant where none is given."""

    values: tuple[str | int, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false; false where none is given."""

    required: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """An object with these fields."""

    fields: Mapping[str, Field]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A list of 0 to `max_items` of the same."""

    each: Field
    max_items: int = 50
    required: bool = False


Field = Text | Address | Choice | Flag | Group | Many

LINE = Text()
PARAGRAPHS = Text(LONG)
NAME = Text(required=True)
# An image that only decorates says so with an empty text; one without any would be read out by its address.
IMAGE_FIELDS: Mapping[str, Field] = {
    "src": Address(required=True, fetched=True),
    "alt": Text(required=True, may_be_empty=True),
}
IMAGE = Group(IMAGE_FIELDS)
LINK = Group({"text": NAME, "href": Address(required=True)})

SECTIONS: Mapping[str, Mapping[str, Field]] = {
    "header": {"title": LINE, "tagline": LINE, "action": LINK},
    "hero": {"title": LINE, "subtitle": PARAGRAPHS, "image": IMAGE, "actions": Many(LINK, 3)},
    "features": {"title": LINE, "subtitle": PARAGRAPHS, "items": Many(Group({"title": NAME, "text": PARAGRAPHS}))},
    "cta": {"title": LINE, "text": PARAGRAPHS, "action": LINK},
    "text": {"title": LINE, "text": PARAGRAPHS},
    "gallery": {"title": LINE, "images": Many(Group({**IMAGE_FIELDS, "caption": LINE}))},
    "testimonials": {
        "title": LINE,
        "items": Many(Group({"quote": Text(LONG, required=True), "name": NAME, "role": LINE, "image": IMAGE})),
    },
    "pricing": {
        "title": LINE,
        "subtitle": PARAGRAPHS,
        "items": Many(
            Group(
                {
                    "name": NAME,
                    "price": NAME,
                    "period": LINE,
                    "features": Many(LINE),
                    "action": LINK,
                    "highlighted": Flag(),
                }
            ),
            12,
        ),
    },
    "faq": {"title": LINE, "items": Many(Group({"question": NAME, "answer": Text(LONG, required=True)}), 100)},
    "contact": {"title": LINE, "text": PARAGRAPHS, "email": LINE, "phone": LINE, "address": PARAGRAPHS},
    "team": {"title": LINE, "items": Many(Group({"name": NAME, "role": LINE, "image": IMAGE}), 100)},
    "stats": {"title": LINE, "items": Many(Group({"value": NAME, "label": NAME}), 12)},
    "footer": {"text": PARAGRAPHS, "links": Many(LINK)},
    "custom": {"title": LINE},
}

COMPONENTS: Mapping[str, Mapping[str, Field]] = {
    "heading": {"text": NAME, "level": Choice((2, 3, 4, 5, 6))},
    "text": {"text": Text(LONG, required=True)},
    "image": {**IMAGE_FIELDS, "caption": LINE},
    "button": {"text": NAME, "href": Address(required=True), "variant": Choice(("primary", "secondary"))},
    "link": {"text": NAME, "href": Address(required=True)},
    "list": {"items": Many(Text(LONG, required=True), 200, required=True), "ordered": Flag()},
    "quote": {"text": Text(LONG, required=True), "cite": LINE},
    "divider": {},
    "container": {},
    "columns": {"count": Choice((2, 3, 4))},
}

# Those that hold other components.
HOLDERS = ("container", "columns")
