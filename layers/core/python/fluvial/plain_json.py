"""Reads plain JSON values that callers sent. Every refusal names the place, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fluvial.errors import InvalidError

MAX_SHOWN = 60  # characters of a name that a refusal repeats

T = TypeVar("T")


def fields_of(field: str, given: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    """The members of an object that has no others than the known ones."""
    if not isinstance(given, Mapping):
        raise InvalidError(field, f"'{field}' must be an object.", value=_repeated(given), constraint="an object")
    for name in given:
        if name not in known:
            allowed = ", ".join(known)
            raise InvalidError(field, f"'{field}' has no field {shown(name)}.", value=name, constraint=allowed)
    return given


def listed(field: str, given: object, most: int, read: Callable[[str, object], T]) -> tuple[T, ...]:
    """What `read` makes of each entry of a list; none for None."""
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise InvalidError(field, f"'{field}' must be a list.", value=_repeated(given), constraint="a list")
    if len(given) > most:
        reason = f"'{field}' must have at most {most} entries, not {len(given)}."
        raise InvalidError(field, reason, value=len(given), constraint=f"at most {most}")
    return tuple(read(f"{field}.{at}", each) for at, each in enumerate(given))


def name_of(field: str, given: object) -> str:
    """Text that can be stored; it may be empty, as names of columns may."""
    if not isinstance(given, str):
        raise InvalidError(field, f"'{field}' must be text.", value=_repeated(given), constraint="text")
    if any("\ud800" <= character <= "\udfff" for character in given):
        raise InvalidError(field, f"'{field}' has half of a surrogate pair, which is no character.")
    return given


def one_of(field: str, given: object, allowed: tuple[str, ...]) -> str:
    """One of some words."""
    if not isinstance(given, str) or given not in allowed:
        words = ", ".join(allowed)
        raise InvalidError(field, f"'{field}' must be one of: {words}.", value=given, constraint=words)
    return given


def integral(given: Any) -> Any:
    """The value, or the whole number that it is: JSON has one kind of number, and some clients write 8 as 8.0."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


def whole_of(field: str, given: object, most: int) -> int:
    """A whole number from 1 on."""
    given = integral(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given <= most:
        allowed = f"1-{most}"
        raise InvalidError(field, f"'{field}' must be a whole number, {allowed}.", value=given, constraint=allowed)
    return given


def truth_of(field: str, given: object) -> bool:
    """true or false; null is false."""
    if given is not None and not isinstance(given, bool):
        raise InvalidError(field, f"'{field}' must be true or false.", value=given, constraint="true, false")
    return bool(given)


def _repeated(given: object) -> object:
    """What a refusal repeats of a value that may be of any kind and size."""
    if isinstance(given, str):
        return given[:MAX_SHOWN]
    return given if isinstance(given, int | float) else None


def shown(name: object) -> str:
    """A caller's own text as a refusal repeats it."""
    text = repr(name)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
