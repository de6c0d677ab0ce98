"""What a change was caused by: a run of an automation, or nobody but its caller.

    with causes.of(Cause(run, chain)):    every job and event that is recorded in here carries the cause
        …                                 and so does what the job's worker does (`workers.running`)

An automation that starts at events could start itself, or two each other, for ever. So an event tells which automations
lie behind it, and what they started is recognised however far away it ends. A context variable, because what records
jobs and events lies deep below what knows the run; a caller's request has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """A run, and the automations that led to it one after the other, its own the last."""

    run: int
    chain: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run, "chain": list(self.chain)}


_current: ContextVar[Cause | None] = ContextVar("cause", default=None)


def current() -> Cause | None:
    """The cause of what is done now."""
    return _current.get()


def from_json(stored: dict[str, Any] | None) -> Cause | None:
    return None if stored is None else Cause(stored["run"], tuple(stored["chain"]))


@contextmanager
def of(cause: Cause | None) -> Iterator[None]:
    """Everything that is recorded within has this cause."""
    token = _current.set(cause)
    try:
        yield
    finally:
        _current.reset(token)
