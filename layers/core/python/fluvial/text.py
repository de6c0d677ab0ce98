"""Text that people give to things."""

from __future__ import annotations

import unicodedata

from fluvial.errors import InvalidError


def checked_line(field: str, text: str, max_length: int) -> str:
    """The text, if it is one line that shows something; else InvalidError. It is never trimmed: it is the caller's."""
    allowed = f"1-{max_length} characters"
    if any(ord(character) < 32 or character == "\x7f" for character in text):
        raise InvalidError(field, f"'{field}' must not contain control characters.", value=text, constraint=allowed)
    if all(unicodedata.category(character)[0] in "CZ" for character in text):
        raise InvalidError(
            field, f"'{field}' must not be empty: it has to show something.", value=text, constraint=allowed
        )
    return checked_text(field, text, max_length)


def checked_text(field: str, text: str, max_length: int) -> str:
    """The text, if it is not too long and can be stored; else InvalidError."""
    if len(text) > max_length:
        reason = f"'{field}' must have at most {max_length} characters, not {len(text)}."
        raise InvalidError(field, reason, value=text[:100], constraint=f"at most {max_length} characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidError(field, f"'{field}' has half of a surrogate pair, which is no character.")
    return text


def sort_key(text: str) -> str:
    """Orders names without regard to case; short enough for an index key whatever the script."""
    return text.casefold()[:100]
