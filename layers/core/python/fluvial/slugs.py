"""Slugs: names in addresses, such as `my-website`. Pure."""

from __future__ import annotations

import re
import unicodedata

from fluvial.errors import InvalidError

MAX_LENGTH = 80
RULE = f"1-{MAX_LENGTH} lower-case letters, digits and single hyphens between them"
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

# What Unicode takes apart into a letter and a mark would lose its sound in German.
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def checked(slug: str) -> str:
    """The slug as given; InvalidError if it is none."""
    if len(slug) > MAX_LENGTH or not SLUG.fullmatch(slug):
        raise InvalidError("slug", f"'slug' must have {RULE}.", value=slug[:100], constraint=RULE)
    return slug


def of(name: str, fallback: str) -> str:
    """A slug made of a name; `fallback` for a name that has nothing to make one of."""
    composed = unicodedata.normalize("NFC", name).casefold().translate(_GERMAN)
    plain = unicodedata.normalize("NFKD", composed)
    ascii_only = "".join(character for character in plain if character.isascii())
    # Taking apart may bring capitals: № is No.
    return re.sub(r"[^a-z0-9]+", "-", ascii_only.casefold()).strip("-")[:MAX_LENGTH].rstrip("-") or fallback


def ending_in(base: str, ending: object) -> str:
    """`base-ending`, for a base that is taken; the base gives way where both are too long."""
    tail = f"-{ending}"
    return base[: MAX_LENGTH - len(tail)].rstrip("-") + tail
