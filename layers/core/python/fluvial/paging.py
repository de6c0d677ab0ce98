"""Positions on an ordered list, as pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """In which order a list is read: `sort` is created, updated or name."""

    sort: str = "created"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """`items` from `offset` on of a list of `total` things."""

    items: Sequence[T]
    offset: int
    total: int


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A part of a list that is read on from its last item; `total` counts the whole list."""

    items: Sequence[T]
    has_more: bool
    total: int


@dataclass(frozen=True, slots=True)
class Scanned(Generic[T]):
    """What fits of a list that was looked through in part; `next` is the id to go on behind, None at its end."""

    items: Sequence[T]
    next: int | None


def total_pages(total: int, per_page: int) -> int:
    """Pages that hold something; 0 for an empty list."""
    return -(-total // per_page)
